package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/push"
	"ferryman/internal/testwait"
)

// post posts a list of messages; headers come in pairs.
func (h *harbour) post(body string, headers ...string) answer {
	h.t.Helper()
	return h.do("POST", "/messages/", body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

// wantDetail checks an error of the message API.
func (h *harbour) wantDetail(a answer, status int, detail string) {
	h.t.Helper()
	var p map[string]string
	err := json.Unmarshal([]byte(a.text), &p)
	if err != nil || a.StatusCode != status || len(p) != 1 || !strings.Contains(p["detail"], detail) || a.Header.Get("Content-Type") != jsonMIME {
		h.t.Errorf("%s %s: %d %s, want %d %s", a.Request.Method, a.Request.URL, a.StatusCode, a.text, status, detail)
	}
}

var anID = regexp.MustCompile(`"id":\d+`)

const unique = `{"non_field_errors":["The fields user_id, messenger_id, text must make a unique set."]}`

// TestMessages goes through what a message can be, in this order, on both
// databases. In answers, ids are 0.
func TestMessages(t *testing.T) {
	wrongTime := `{"start_at":["Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."]}`
	stored := func(user string, messenger int, text, start string) string {
		return fmt.Sprintf(`{"id":0,"user_id":%q,"messenger_id":%d,"text":%q,"start_at":%s}`, user, messenger, text, start)
	}
	harbourOn(t, func(h *harbour) {
		h.want(h.do("GET", "/messages/", ""), http.StatusOK, "[]")
		for _, c := range []struct {
			body   string
			status int
			want   string
		}{
			{`[]`, 201, `[]`},
			{`[{"user_id": 55, "messenger_id": 1, "text": "first", "start_at": "2020-02-03 04:05:06"}, {"user_id": "x", "messenger_id": "0", "text": 2}]`, 201,
				"[" + stored("55", 1, "first", `"2020-02-03T04:05:06Z"`) + "," + stored("x", 0, "2", "null") + "]"},
			{`[{"user_id": "55", "messenger_id": 1, "text": "first"}, {"user_id": "x", "messenger_id": 0, "text": " 2"}]`, 400, "[" + unique + "," + unique + "]"},
			{`[{"user_id": "y", "messenger_id": 2, "text": "t", "start_at": "2031-2-3 4:5:6.5+0130"}]`, 201, "[" + stored("y", 2, "t", `"2031-02-03T02:35:06.500000Z"`) + "]"},
			{`[{"user_id": "y", "messenger_id": 1, "text": "same"}, {"user_id": "y", "messenger_id": 1, "text": "same"}]`, 400, "[{}," + unique + "]"},
			{`[{"user_id": "y", "messenger_id": 1, "text": "same"}, {"user_id": "y", "messenger_id": 3, "text": "other"}]`, 400,
				`[{},{"messenger_id":["\"3\" is not a valid choice."]}]`},
			{`[{"user_id": "y", "messenger_id": 1, "text": "same"}]`, 201, "[" + stored("y", 1, "same", "null") + "]"},
			{`[{"user_id": "55", "messenger_id": 9, "text": "first"}, {"user_id": "55", "messenger_id": 1, "text": "first"}]`, 400,
				`[{"messenger_id":["\"9\" is not a valid choice."]},` + unique + `]`},
			{`[{"user_id": "y", "messenger_id": 1, "text": "z", "start_at": "noon"}]`, 400, "[" + wrongTime + "]"},
			{`[{"user_id": "y", "messenger_id": 1, "text": "\ud800"}]`, 400, `[{"text":["Surrogate characters are not allowed: U+D800."]}]`},
			{`[{"user_id": "y", "messenger_id": 1, "text": "\ufffd <&> \u2028 ✓😀"}]`, 201, "[" + `{"id":0,"user_id":"y","messenger_id":1,"text":"` + "\ufffd <&> \u2028 ✓😀" + `","start_at":null}]`},
			{`[null, 1]`, 400, `[["This field may not be null."],{"non_field_errors":["Invalid data. Expected a dictionary, but got int."]}]`},
			{`{"user_id": 1}`, 400, `{"non_field_errors":["Expected a list of items but got type \"dict\"."]}`},
			{`null`, 400, `{"non_field_errors":["No data provided"]}`},
			{`[{"a": 1`, 400, `{"detail":"JSON parse error - the body ends too early, at byte 8"}`},
		} {
			a := h.post(c.body)
			if got := anID.ReplaceAllString(a.text, `"id":0`); got != c.want || a.StatusCode != c.status {
				t.Errorf("%s: %d\n got %s\nwant %s", c.body, a.StatusCode, got, c.want)
			}
		}
		all := h.do("GET", "/messages/", "")
		var texts []struct {
			ID    int64  `json:"id"`
			Text  string `json:"text"`
			State string `json:"state"`
		}
		if err := json.Unmarshal([]byte(all.text), &texts); err != nil || len(texts) != 5 || texts[0].Text != "first" || texts[4].Text != "\ufffd <&> \u2028 ✓😀" || texts[0].State != "scheduled" {
			t.Errorf("%v: %s", err, all.text)
		}
		one := h.do("GET", fmt.Sprintf("/messages/%d/", texts[0].ID), "")
		if !strings.HasPrefix(all.text, "["+one.text+",") {
			t.Errorf("alone it is %s", one.text)
		}
		h.want(h.do("GET", fmt.Sprintf("/messages/000%d/", texts[0].ID), ""), http.StatusOK, one.text)
		for _, id := range []string{"999999", "0", "x", "1x", "+1", "-1", "99999999999999999999", "%31%2e"} {
			h.wantDetail(h.do("GET", "/messages/"+id+"/", ""), http.StatusNotFound, "Not found.")
		}
	})
}

func TestMessagePages(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		var items []string
		for i := range 25 {
			items = append(items, fmt.Sprintf(`{"user_id":"u %d","messenger_id":%d,"text":"t%d"}`, i%2, i%3, i))
		}
		h.want(h.post("["+strings.Join(items, ",")+"]"), http.StatusCreated, "")
		pages := func(path string) (texts string, n int) {
			t.Helper()
			for path != "" {
				a := h.do("GET", path, "")
				var page []struct{ Text string }
				if err := json.Unmarshal([]byte(a.text), &page); err != nil {
					t.Fatalf("%s: %v %s", path, err, a.text)
				}
				for _, m := range page {
					texts += m.Text + " "
				}
				n++
				path = strings.TrimSuffix(strings.TrimPrefix(a.Header.Get("Link"), "<"), `>; rel="next"`)
			}
			return texts, n
		}
		if texts, n := pages("/messages/?limit=10"); n != 3 || strings.Count(texts, "t") != 25 || !strings.HasPrefix(texts, "t0 t1 ") {
			t.Errorf("%d pages: %s", n, texts)
		}
		if texts, n := pages("/messages/?limit=5&user_id=u+1&messenger_id=2&state=scheduled"); n != 1 || texts != "t5 t11 t17 t23 " {
			t.Errorf("%d pages: %s", n, texts)
		}
		if texts, n := pages("/messages/?limit=2&user_id=u+1&messenger_id=2"); n != 2 || texts != "t5 t11 t17 t23 " {
			t.Errorf("%d pages: %s", n, texts)
		}
		if texts, _ := pages("/messages/?state=sent"); texts != "" {
			t.Error(texts)
		}
		for _, query := range []string{
			"limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "after=x", "after=-1", "after=", "state=lost", "state=", "messenger_id=3", "messenger_id=", "user_id=%00", "%zz",
			"user_id=" + strings.Repeat("x", 201),
		} {
			h.wantDetail(h.do("GET", "/messages/?"+query, ""), http.StatusBadRequest, "")
		}
	})
}

func TestMessageMethods(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		made := h.do("POST", "/messages", `[{"user_id":1,"messenger_id":1,"text":"no slash"}]`, "Content-Type", "application/json; charset=utf-8")
		h.want(made, http.StatusCreated, "")
		var stored []struct{ ID int64 }
		if err := json.Unmarshal([]byte(made.text), &stored); err != nil {
			t.Fatal(err)
		}
		path := fmt.Sprintf("/messages/%d", stored[0].ID)
		for _, c := range []struct{ from, to string }{
			{"/messages", "/messages/"}, {"/messages?limit=3&x=a%2Fb", "/messages/?limit=3&x=a%2Fb"}, {"/messages/1?x=1", "/messages/1/?x=1"},
			{"/messages/%31", "/messages/%31/"}, {"/messages/1/retry", ""},
		} {
			for _, method := range []string{"GET", "HEAD"} {
				a := h.do(method, c.from, "")
				if a.Header.Get("Location") != c.to || a.StatusCode != http.StatusMovedPermanently && c.to != "" {
					t.Errorf("%s %s: %d %s", method, c.from, a.StatusCode, a.Header.Get("Location"))
				}
			}
		}
		for path, allow := range map[string]string{
			"/messages/": "GET, HEAD, POST, OPTIONS", "/messages": "GET, HEAD, POST, OPTIONS", path + "/": "GET, HEAD, PATCH, DELETE, OPTIONS",
			path: "GET, HEAD, PATCH, DELETE, OPTIONS", path + "/retry/": "POST, OPTIONS",
		} {
			if a := h.do("OPTIONS", path, ""); a.StatusCode != http.StatusNoContent || a.Header.Get("Allow") != allow || a.text != "" || a.Header.Get("Content-Type") != "" {
				t.Errorf("%s: %d, Allow %q", path, a.StatusCode, a.Header.Get("Allow"))
			}
			a := h.do("PUT", path, "{}")
			if h.wantDetail(a, http.StatusMethodNotAllowed, `Method "PUT" not allowed.`); a.Header.Get("Allow") != allow {
				t.Errorf("%s: Allow %q", path, a.Header.Get("Allow"))
			}
		}
		for _, path := range []string{"/messages/1/2/", "/messages//", "/messages/./1", "/messages/1/retry/x", "/messages/1//"} {
			h.wantDetail(h.do("GET", path, ""), http.StatusNotFound, "Not found.")
		}
		h.wantProblem(h.do("GET", "/messagesx", ""), http.StatusNotFound, "unknown_path")

		typed := []string{"Content-Type", "application/json"}
		moved := h.do("PATCH", path, `{"start_at":"2099-01-01T00:00"}`, typed...)
		if h.want(moved, http.StatusOK, ""); !strings.Contains(moved.text, `"start_at":"2099-01-01T00:00:00Z"`) || !strings.Contains(moved.text, `"next_attempt_at":"2099-01-01T00:00:00Z"`) {
			t.Error(moved.text)
		}
		h.want(h.do("PATCH", path, `{}`, typed...), http.StatusBadRequest, `{"start_at":["This field is required."]}`)
		h.wantDetail(h.do("PATCH", path, `{}`), http.StatusUnsupportedMediaType, `Unsupported media type "text/plain" in request.`)
		h.wantDetail(h.do("POST", path+"/retry/", ""), http.StatusConflict, "cannot be revived")
		if a := h.do("DELETE", path+"/", ""); a.StatusCode != http.StatusNoContent || a.text != "" || a.Header.Get("Content-Length") != "" {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
		h.wantDetail(h.do("PATCH", path, `{"start_at":null}`, typed...), http.StatusConflict, "it was cancelled")
		h.want(h.post(`[{"user_id":1,"messenger_id":1,"text":"no slash"}]`), http.StatusBadRequest, "["+unique+"]")
		for _, path := range []string{"/messages/0/", "/messages/x"} {
			h.wantDetail(h.do("DELETE", path, ""), http.StatusNotFound, "Not found.")
			h.wantDetail(h.do("PATCH", path, `{"start_at":null}`, typed...), http.StatusNotFound, "Not found.")
		}
	})
}

func TestMessageBodies(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		for given, want := range map[string]string{
			"": `"text/plain"`, "text/csv": `"text/csv"`, "application/xml; charset=x": `"application/xml; charset=x"`, "x": `"x"`,
			"application/jsonp": `"application/jsonp"`, strings.Repeat("x", 300): `"` + strings.Repeat("x", 100) + `"`,
		} {
			var headers []string
			if given != "" {
				headers = []string{"Content-Type", given}
			}
			h.wantDetail(h.do("POST", "/messages/", "[]", headers...), http.StatusUnsupportedMediaType, "Unsupported media type "+want+" in request.")
		}
		h.wantDetail(h.post("[]", "Content-Encoding", "gzip"), http.StatusUnsupportedMediaType, "content-encoding")
		h.want(h.do("POST", "/messages/", "[]", "Content-Type", "Application/JSON ; charset=utf-8"), http.StatusCreated, "[]")
		for _, kind := range []string{"application/json;charset=UTF-8", "APPLICATION/json ; charset=latin1; x=y", "application/json;"} {
			h.want(h.do("POST", "/messages/", "[]", "Content-Type", kind), http.StatusCreated, "[]")
		}
		h.want(h.post("[]", "Content-Encoding", "Identity"), http.StatusCreated, "[]")
		h.want(h.post(""), http.StatusBadRequest, `{"detail":"JSON parse error - the body is empty"}`)
		h.wantDetail(h.post("\ufeff[]"), http.StatusBadRequest, "JSON parse error - ")
	})
}

// TestLargeLists posts lists that are larger than other bodies may be, and have an
// end all the same.
func TestLargeLists(t *testing.T) {
	clock := exampleClock()
	url := "sqlite://" + t.TempDir() + "/ferryman.db"
	h := moor(t, url, dbtest.Open(t, url, quick(clock)), clock)
	item := func(i int, text string) string {
		return fmt.Sprintf(`{"user_id":%d,"messenger_id":0,"text":%q}`, i, text)
	}
	var items []string
	for i := range 500 {
		items = append(items, item(i, strings.Repeat("x", 5000)))
	}
	if a := h.post("[" + strings.Join(items, ",") + "]"); a.StatusCode != http.StatusCreated || strings.Count(a.text, `"id":`) != 500 {
		t.Errorf("%d %.200s", a.StatusCode, a.text)
	}
	// filled is a list of so many bytes, in which something is wrong.
	filled := func(size int) string { return `["` + strings.Repeat("x", size-4) + `"]` }
	chunked := func(body string) answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", h.house.url+"/messages/", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer{resp, string(text)}
	}
	for _, post := range []func(string) answer{func(body string) answer { return h.post(body) }, chunked} {
		h.want(post(filled(maxBulk)), http.StatusBadRequest, "")
		h.wantDetail(post(filled(maxBulk+1)), http.StatusRequestEntityTooLarge, "16777216 bytes")
	}
	h.want(chunked("["+item(501, strings.Repeat("y", 7000))+"]"), http.StatusCreated, "")
	h.wantDetail(h.post("["+strings.Repeat("0,", push.MaxItems)+"0]"), http.StatusRequestEntityTooLarge, "10000 messages")
	h.want(h.post("["+strings.Repeat("0,", push.MaxItems-1)+"0]"), http.StatusBadRequest, "")
	h.wantDetail(h.do("PATCH", "/messages/1/", filled(1<<20+1), "Content-Type", "application/json"), http.StatusRequestEntityTooLarge, "1048576 bytes")

	// Of large ones, only so many bytes are in memory at a time.
	h.bulk.Add(maxBulkTotal - largeBody)
	for _, post := range []func(string) answer{func(body string) answer { return h.post(body) }, chunked} {
		a := post(filled(8 * largeBody))
		if h.wantDetail(a, http.StatusTooManyRequests, "too many large bodies"); a.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
		}
	}
	h.want(h.post("["+item(1, "small")+"]"), http.StatusCreated, "")
	h.want(chunked("["+item(2, "small")+"]"), http.StatusCreated, "")
	h.bulk.Add(largeBody - maxBulkTotal)
	if left := h.bulk.Load(); left != 0 {
		t.Errorf("%d bytes are not given back", left)
	}

	// Large ones that come while others are stored wait for them, and small ones do not.
	for range maxPosting {
		h.posting <- struct{}{}
	}
	waited := make(chan answer, 1)
	go func() {
		a, err := h.try("POST", "/messages/", filled(2*largeBody), "Content-Type", "application/json")
		if err != nil {
			t.Error(err)
			a = answer{Response: &http.Response{Request: &http.Request{}}}
		}
		waited <- a
	}()
	testwait.Until(t, "the list arrives", func() bool { return h.bulk.Load() > 0 })
	h.want(h.post("["+item(3, "small")+"]"), http.StatusCreated, "")
	select {
	case a := <-waited:
		t.Errorf("it did not wait: %d %s", a.StatusCode, a.text)
	default:
	}
	<-h.posting
	h.want(<-waited, http.StatusBadRequest, "")
}

// TestListsWaitInVain has a large list told after its time that the store is slow.
func TestListsWaitInVain(t *testing.T) {
	clock := exampleClock()
	url := "sqlite://" + t.TempDir() + "/ferryman.db"
	h := moor(t, url, dbtest.Open(t, url, quick(clock)), clock, func(o *Options) { o.AdminTime = time.Millisecond })
	for range maxPosting {
		h.posting <- struct{}{}
	}
	h.wantDetail(h.post(`["`+strings.Repeat("x", largeBody)+`"]`), http.StatusServiceUnavailable, "in time")
}

func TestMessageIdempotencyKey(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		body := `[{"user_id":1,"messenger_id":1,"text":"once"}]`
		first := h.post(body, "Idempotency-Key", `"a-1"`)
		h.want(first, http.StatusCreated, "")
		h.want(h.post(body, "Idempotency-Key", "a-1"), http.StatusCreated, first.text)
		h.want(h.post(body), http.StatusBadRequest, "["+unique+"]")
		h.wantDetail(h.post("[]", "Idempotency-Key", "a-1"), http.StatusUnprocessableEntity, "other messages")
		for _, key := range []string{"", `""`, strings.Repeat("k", 256)} {
			h.wantDetail(h.post("[]", "Idempotency-Key", key), http.StatusBadRequest, "idempotency key")
		}
		h.wantDetail(h.post("[]", "Idempotency-Key", "a", "Idempotency-Key", "b"), http.StatusBadRequest, "idempotency key")
	})
}

// TestSameMessageAtOnce has one message posted by 64 clients at once, of two
// servers where the store can be shared: one is told that it is stored.
func TestSameMessageAtOnce(t *testing.T) {
	dbtest.URLs(t, func(t *testing.T, url string) {
		clock := exampleClock()
		harbours := []*harbour{moor(t, url, dbtest.Open(t, url, quick(clock)), clock)}
		if harbours[0].store.Dialect() == db.Postgres {
			harbours = append(harbours, moor(t, url, dbtest.Open(t, url, quick(clock)), clock))
		}
		var wg sync.WaitGroup
		var stored atomic.Int64
		for i := range 64 {
			wg.Go(func() {
				a, err := harbours[i%len(harbours)].try("POST", "/messages/", `[{"user_id":1,"messenger_id":1,"text":"once"}]`, "Content-Type", "application/json")
				switch {
				case err != nil:
					t.Error(err)
				case a.StatusCode == http.StatusCreated:
					stored.Add(1)
				case a.StatusCode != http.StatusBadRequest || a.text != "["+unique+"]":
					t.Errorf("%d %s", a.StatusCode, a.text)
				}
			})
		}
		wg.Wait()
		if stored.Load() != 1 {
			t.Errorf("%d were told that it is stored", stored.Load())
		}
	})
}

// TestMessagesByKey calls as clients elsewhere must.
func TestMessagesByKey(t *testing.T) {
	clock := exampleClock()
	url := "sqlite://" + t.TempDir() + "/ferryman.db"
	o := staff(moor(t, url, dbtest.Open(t, url, quick(clock)), clock, func(o *Options) { o.LoopbackOnly, o.KeysOnly, o.KeyRate = false, true, 0 }))
	sender := o.newKey(apikey.Application{Name: apikey.BuiltIn}, apikey.Ping)
	calls := []struct{ method, path, body string }{
		{"GET", "/messages/", ""}, {"GET", "/messages/9/", ""}, {"GET", "/messages", ""},
		{"POST", "/messages/", "[]"}, {"POST", "/messages", "[]"}, {"PATCH", "/messages/9/", `{"start_at":null}`}, {"DELETE", "/messages/9/", ""}, {"POST", "/messages/9/retry/", ""},
	}
	for i, c := range calls {
		look := i < 3
		for key, may := range map[string]bool{o.operator: true, o.auditor: look, sender: !look, o.admin: false, o.read: false} {
			a := o.do(c.method, c.path, c.body, "Content-Type", "application/json", "X-API-KEY", key)
			if !may {
				o.wantDetail(a, http.StatusForbidden, "")
			} else if a.StatusCode == http.StatusForbidden || a.StatusCode == http.StatusUnauthorized {
				t.Errorf("%s %s: %d %s", c.method, c.path, a.StatusCode, a.text)
			}
		}
		a := o.do(c.method, c.path, c.body)
		if o.wantDetail(a, http.StatusUnauthorized, "API key"); a.Header.Get("WWW-Authenticate") != challenge {
			t.Errorf("challenge %q", a.Header.Get("WWW-Authenticate"))
		}
	}
}

// TestMessagesWithoutStore has what goes wrong told as messages are.
func TestMessagesWithoutStore(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		h.wantDetail(h.do("GET", "/messages/", "", "Host", "evil.example"), http.StatusForbidden, "host header")
		h.wantDetail(h.do("POST", "/messages/", "[]", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "another site")
		if err := h.store.Close(); err != nil {
			t.Fatal(err)
		}
		a := h.post(`[{"user_id":1,"messenger_id":1,"text":"x"}]`)
		if h.wantDetail(a, http.StatusServiceUnavailable, "store"); a.Header.Get("Retry-After") == "" {
			t.Error("nothing says when to come back")
		}
		h.wantDetail(h.do("GET", "/messages/", ""), http.StatusServiceUnavailable, "store")
	})
}

// The original ignores what it does not know, and so do we: but not in silence.
func TestMisspeltMembersAreTold(t *testing.T) {
	harbourOn(t, func(h *harbour) {
		post := func(text, more string) answer {
			return h.do("POST", "/messages/", `[{"user_id":"1","messenger_id":1,"text":"`+text+`"`+more+`}]`, "Content-Type", "application/json")
		}
		for i := range 12 {
			a := post(fmt.Sprint(i), `,"start_on":"2031-01-01T00:00:00Z","expire_at":"hunter2"`)
			if got := a.Header.Get("Ignored-Members"); a.StatusCode != http.StatusCreated || got != "start_on;meant=start_at, expire_at;meant=expires_at" {
				t.Fatalf("%d %q %s", a.StatusCode, got, a.text)
			}
		}
		if a := post("well", `,"id":7,"campaign":"spring"`); a.StatusCode != http.StatusCreated || a.Header["Ignored-Members"] != nil {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
		if a := post("", `,"start_on":1`); a.StatusCode != http.StatusBadRequest || a.Header["Ignored-Members"] != nil {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
		log := h.log.String()
		if told := strings.Count(log, `"name":"start_on","detail":"did you mean start_at?"`); told != 10 || strings.Contains(log, "hunter2") {
			t.Errorf("told %d times: %s", told, log)
		}
	})
}
