package messengers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestControlRefuses(t *testing.T) {
	s := start(t, Options{})
	const faults, limits = "/_sandbox/messengers/faults", "/_sandbox/messengers/limits"
	for _, c := range []struct {
		status             int
		method, path, body string
		mention            string
	}{
		{400, "POST", faults, `{"kind":"explode"}`, "explode"},
		{400, "POST", faults, `{"kind":"reset","pth":"/"}`, "pth"},
		{400, "POST", faults, `{"delay":"soon"}`, "duration"},
		{400, "POST", faults, `{"kind":"reset","for":"soon"}`, "duration"},
		{400, "POST", faults, `{"kind":"reset"}{}`, "goes on"},
		{404, "DELETE", faults + "/3", ``, "id"},
		{404, "DELETE", faults + "/x", ``, "id"},
		{400, "PUT", limits, `{"sms":{}}`, "sms"},
		{400, "PUT", limits, `{"viber":{"all":"fast"}}`, "30/s"},
		{400, "GET", "/_sandbox/arrivals?messenger=sms", ``, "sms"},
		{400, "GET", "/_sandbox/arrivals?after=x", ``, "after"},
		{400, "GET", "/_sandbox/arrivals?limit=0", ``, "limit"},
		{400, "GET", "/_sandbox/arrivals?count=1&recipient=5", ``, "by messenger"},
	} {
		if said := want(t, c.status, s.request(c.method, c.path, c.body)); !strings.Contains(said, c.mention) {
			t.Errorf("%s %s: %s", c.method, c.path, said)
		}
	}
}

func TestControlFaults(t *testing.T) {
	s := start(t, Options{})
	const path = "/_sandbox/messengers/faults"
	first := want(t, 200, s.request("POST", path, `{"messenger":"viber","code":12,"times":3,"for":"1h"}`))
	want(t, 200, s.request("POST", path, `{"kind":"reset","delay":"1ms"}`))
	want(t, 200, s.send(Viber, "5", "x"))
	list := want(t, 200, s.request("GET", path, ""))
	if list != `[{"id":1,"kind":"code","messenger":"viber","times":2,"code":12,"for":"1h0m0s"},{"id":2,"kind":"reset","delay":"1ms"}]`+"\n" {
		t.Errorf("faults %s", list)
	}
	if first != `{"id":1}`+"\n" {
		t.Errorf("ordered %s", first)
	}
	want(t, 200, s.request("DELETE", path+"/1", ""))
	if said := want(t, 200, s.request("DELETE", path, "")); said != `{"deleted":1}`+"\n" {
		t.Errorf("deleted %s", said)
	}
	if said := want(t, 200, s.send(Viber, "5", "x")); !strings.Contains(said, `"ok"`) {
		t.Errorf("answer %s", said)
	}
}

func TestControlLimits(t *testing.T) {
	s := start(t, Options{Limits: VendorLimits()})
	const path = "/_sandbox/messengers/limits"
	if said := want(t, 200, s.request("GET", path, "")); !strings.Contains(said, `"telegram":{"all":"30/s","recipient":"1/s","group":"20/min"}`) ||
		!strings.Contains(said, `"whatsapp":{"all":"80/s","recipient":"1/6s","group":"none"}`) {
		t.Errorf("limits %s", said)
	}
	want(t, 200, s.request("PUT", path, `{"telegram":{"recipient":"2/h"}}`))
	want(t, 200, s.send(Telegram, "5", "x"))
	want(t, 200, s.send(Telegram, "5", "x"))
	want(t, 429, s.send(Telegram, "5", "x"))
	want(t, 200, s.request("PUT", path, `{}`))
	want(t, 200, s.send(Telegram, "5", "x"))
}

func TestControlIsForLoopback(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/_sandbox/arrivals", "/_sandbox/messages", "/_sandbox/messengers/faults"} {
		for remote, status := range map[string]int{"127.0.0.1:9": 200, "[::1]:9": 200, "192.0.2.7:9": 403, "": 403} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			r.RemoteAddr = remote
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != status {
				t.Errorf("%s from %q: status %d, want %d", path, remote, w.Code, status)
			}
		}
	}
}

// The page is whole with nothing, one and many, and takes nothing for markup.
func TestPage(t *testing.T) {
	s := start(t, Options{})
	page := func(query string) string { return want(t, 200, s.request("GET", "/_sandbox/messages"+query, "")) }
	if text := page(""); strings.Count(text, "Nothing yet") != 4 || !strings.Contains(text, `http-equiv="refresh"`) {
		t.Errorf("page %s", text)
	}
	if text := page("?still=1"); strings.Contains(text, `http-equiv="refresh"`) {
		t.Errorf("page %s", text)
	}
	for i := range 30 {
		want(t, 200, s.send(Telegram, fmt.Sprint("u", i), fmt.Sprintf("<script>alert(%d)</script>", i)))
	}
	want(t, 200, s.send(Telegram, "u29", "<script>alert(29)</script>"))
	want(t, 410, s.send(Webhook, "window-closed", `{"n":1}`))
	if _, _, err := do(s.send(WhatsApp, "lost", "x")); err == nil {
		t.Error("no reset")
	}
	text := page("")
	for _, want := range []string{
		"&lt;script&gt;alert(29)&lt;/script&gt;", "arrived 2 times", "answered 410", "unanswered", "<b>32</b> messages", "<b>1</b> had come before",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("page lacks %s", want)
		}
	}
	if strings.Contains(text, "<script") || strings.Count(text, "<li") != 22 || strings.Contains(text, "alert(10)") {
		t.Errorf("page %s", text)
	}
	resp, _, err := do(s.request("GET", "/_sandbox/messages", ""))
	if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%v, %v", resp, err)
	}
}
