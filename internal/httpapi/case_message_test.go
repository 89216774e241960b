package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"ferryman/internal/ledger"
)

// Of large bodies only so many are in memory; small ones pass all the same.
func manyLargeBodies(h *harbour) {
	h.newCron("chatty")
	path := fmt.Sprintf("/api/%d/message", h.started("chatty"))
	for range maxLarge {
		h.large <- struct{}{}
	}
	large := `{"type":"info","message":"` + strings.Repeat("x", largeBody) + `"}`
	a := h.call("POST", path, large)
	h.wantProblem(a, http.StatusTooManyRequests, "too_many_bodies")
	if a.Header.Get("Retry-After") != "1" {
		h.t.Errorf("retry after %q", a.Header.Get("Retry-After"))
	}
	if a := h.call("POST", path, `{"type":"info","message":"small"}`); a.StatusCode != http.StatusOK {
		h.t.Errorf("a small one: %d %s", a.StatusCode, a.text)
	}
	for range maxLarge {
		<-h.large
	}
	for range maxLarge + 1 { // each gives its place back
		if a := h.call("POST", path, large); a.StatusCode != http.StatusOK {
			h.t.Fatalf("with room again: %d %s", a.StatusCode, a.text)
		}
	}
}

func (h *harbour) text(id int64) string {
	h.t.Helper()
	said, err := h.ledger.Messages(h.t.Context(), id, 0, 100)
	if err != nil || len(said) == 0 {
		h.t.Fatalf("%d messages, %v", len(said), err)
	}
	return said[len(said)-1].Text
}

func messageAfterEnd(h *harbour) {
	h.newCron("nightly")
	id := h.started("nightly")
	path := fmt.Sprintf("/api/%d/message", id)
	const body = `{"message":"wait","type":"info"}`
	a := h.call("POST", path, body)
	h.want(a, http.StatusOK, fmt.Sprintf(
		`{"id":%d,"execution_id":%d,"type":"info","received_at":"%s","truncated":false,"late":false}`, h.id(a), id, h.stamp()))
	h.want(h.call("POST", fmt.Sprintf("/api/%d/end", id), `{"success":true,"type":"success"}`), http.StatusOK, "")
	h.clock.add(24 * time.Hour)
	a = h.call("POST", path, body)
	h.want(a, http.StatusOK, fmt.Sprintf(
		`{"id":%d,"execution_id":%d,"type":"info","received_at":"%s","truncated":false,"late":true}`, h.id(a), id, h.stamp()))
	h.clock.add(time.Second)
	h.wantProblem(h.call("POST", path, body), http.StatusConflict, "ended_long_ago")
}

func veryManyMessages(h *harbour) {
	h.newCron("nightly")
	id := h.started("nightly")
	body := "[" + strings.Repeat(`{"message":"tick","type":"info"},`, ledger.MaxMessages-1) + `{"message":"tock","type":"info"}]`
	for i := range 10 {
		a := h.call("POST", fmt.Sprintf("/api/%d/message", id), body)
		ids, _ := h.get(a, "ids").([]any)
		dropped, _ := h.get(a, "dropped").(float64)
		if want := max(0, (i+1)*1000-5000); len(ids) != 1000 || int(dropped) != want {
			h.t.Errorf("%d ids, %v dropped, want %d", len(ids), dropped, want)
		}
	}
	if got := h.get(h.call("POST", fmt.Sprintf("/api/%d/message", id), `{"message":"last","type":"info"}`), "dropped"); got != float64(5001) {
		h.t.Errorf("%v dropped", got)
	}
	said, err := h.ledger.Messages(h.t.Context(), id, 0, 10_000)
	if err != nil || len(said) != 5000 || said[999].Text != "tock" || said[4999].Text != "last" {
		h.t.Errorf("%d messages, %v", len(said), err)
	}
}

func veryLongMessages(h *harbour) {
	h.newCron("nightly")
	id := h.started("nightly")
	path := fmt.Sprintf("/api/%d/message", id)
	long := strings.Repeat("茶箱", 70<<10/6) + "the end"
	a := h.call("POST", path, `{"type":"info","message":"`+long+`"}`)
	if h.get(a, "truncated") != true {
		h.t.Error(a.text)
	}
	kept := h.text(id)
	if len(kept) > 64<<10 || len(kept) < 64<<10-3 || !utf8.ValidString(kept) || !strings.HasSuffix(long, kept) {
		h.t.Errorf("%d bytes are kept, %q…", len(kept), kept[:10])
	}
	if a := h.call("POST", fmt.Sprintf("/api/%d/end", id), `{"type":"info","success":true,"message":"`+long+`"}`); a.StatusCode != http.StatusOK {
		h.t.Error(a.text)
	}
	for _, call := range []string{"message", "end", "start"} {
		h.wantProblem(h.call("POST", "/api/1/"+call, `{"type":"info","message":"`+strings.Repeat("x", 1<<20)+`"}`),
			http.StatusRequestEntityTooLarge, "body_too_large")
	}
}

func brokenText(h *harbour) {
	h.newCron("nightly")
	id := h.started("nightly")
	for sent, kept := range map[string]string{
		"a\xff\xfeb":              "a\ufffd\ufffdb",
		`a\ud800b`:                "a\ufffdb",
		`a\udc00\ud800b`:          "a\ufffd\ufffdb",
		`a\u0000b`:                "a\ufffdb",
		"a\x00b":                  "a\ufffdb",
		"茶\xe8\x8c":               "茶\ufffd\ufffd",
		`\u8336 \ud83d\ude00 ok`:  "茶 😀 ok",
		`\u001b[31mred\u001b[0m`:  "\x1b[31mred\x1b[0m",
		`\u202eright to left\r\n`: "\u202eright to left\r\n",
	} {
		a := h.call("POST", fmt.Sprintf("/api/%d/message", id), `{"type":"info","message":"`+sent+`"}`)
		if h.want(a, http.StatusOK, ""); h.text(id) != kept {
			h.t.Errorf("%q is kept as %q", sent, h.text(id))
		}
	}
	h.want(h.call("POST", "/api/nightly/start", `{"host":"a\u0000b`+"\xff"+`"}`), http.StatusOK, "")
	h.want(h.call("GET", "/api/nightly/start?host=%00%ff", ""), http.StatusOK, "")
	h.want(h.call("POST", fmt.Sprintf("/api/%d/end", id), `{"type":"info","success":true,"message":"`+"\xff"+`\ud800\u0000"}`), http.StatusOK, "")
	if got := h.text(id); got != "\ufffd\ufffd\ufffd" {
		h.t.Errorf("kept %q", got)
	}
}

func brokenBodies(h *harbour) {
	h.newCron("nightly")
	id := h.started("nightly")
	const good = `{"message":"x","type":"info","success":true}`
	nested := func(levels int) string {
		return `{"message":"x","type":"info","success":true,"x":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
	}
	for name, body := range map[string]string{
		"text": "hello", "form": "message=x&type=info&success=true", "empty": "", "blank": " \n", "number": "1", "string": `"x"`, "null": "null", "true": "true",
		"trailing": good + "x", "two": good + good, "half": good[:20], "comma": `{"message":"x",}`, "single": `{'message':'x'}`, "comment": good + "//",
		"no quotes": `{message:"x"}`, "newline in a string": "{\"message\":\"a\nb\",\"type\":\"info\",\"success\":true}", "nan": `{"x":NaN}`,
		"zero": `{"x":01}`, "escape": `{"message":"\x"}`, "nested": nested(33), "objects": strings.Repeat(`{"x":`, 40) + "1" + strings.Repeat("}", 40),
		"UTF-16": "\xff\xfe{\x00}\x00", "very deep": strings.Repeat("[", 100_000),
	} {
		for _, call := range []string{"end", "message"} {
			h.wantInvalid(name, h.call("POST", fmt.Sprintf("/api/%d/%s", id, call), body))
		}
		if body != "" {
			h.wantInvalid(name, h.call("POST", "/api/nightly/start", body))
		}
	}
	for _, body := range []string{"[]", "[" + good + "]"} {
		h.wantInvalid(body, h.call("POST", fmt.Sprintf("/api/%d/end", id), body))
		h.wantInvalid(body, h.call("POST", "/api/nightly/start", body))
	}
	path := fmt.Sprintf("/api/%d/message", id)
	h.want(h.call("POST", path, nested(32)), http.StatusOK, "")
	for _, kind := range []string{
		"application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain", "application/vnd.x+json", "", "Text/JSON",
		"application/octet-stream",
	} {
		h.want(h.call("POST", path, good, "Content-Type", kind), http.StatusOK, "")
		h.want(h.call("POST", "/api/nightly/start", "", "Content-Type", kind), http.StatusOK, "")
	}
	for _, headers := range [][]string{
		{"Content-Type", "multipart/form-data; boundary=x"}, {"Content-Type", "multipart/form-data"}, {"Content-Type", "text/xml"},
		{"Content-Type", "image/png"}, {"Content-Type", "/"}, {"Content-Encoding", "gzip"},
	} {
		for _, call := range []string{path, fmt.Sprintf("/api/%d/end", id), "/api/nightly/start"} {
			h.wantProblem(h.call("POST", call, good, headers...), http.StatusUnsupportedMediaType, "unsupported_media_type")
		}
	}
}

func (h *harbour) wantInvalid(name string, a answer) {
	h.t.Helper()
	if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.text, `"invalid_json"`) {
		h.t.Errorf("%s on %s: %d %s", name, a.Request.URL.Path, a.StatusCode, a.text)
	}
}
