package doctor

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ferryman/internal/testaddr"
)

func TestWeb(t *testing.T) {
	look := func(base string) []Finding {
		t.Helper()
		found := Web("x", "THE_SETTING", base, "test").Look(t.Context())
		for _, f := range found {
			if strings.Contains(f.Detail+f.Remedy, "secret") {
				t.Errorf("%+v", f)
			}
		}
		return found
	}
	answer := func(status int, date string) []Finding {
		t.Helper()
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.Header.Get("Authorization") != "" || r.URL.Path != "/secret/path" {
				t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
			}
			if date != "" {
				w.Header().Set("Date", date)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		defer service.Close()
		return look(service.URL + "/secret/path")
	}
	for _, status := range []int{200, 204, 302, 401, 404} {
		wants(t, answer(status, ""), [2]string{"ok", " answers in "})
	}
	wants(t, answer(502, ""), [2]string{"warning", "answers with 502"})
	for ahead, want := range map[time.Duration]string{time.Hour: "ahead of", -time.Hour: "behind"} {
		date := time.Now().Add(ahead).UTC().Format(http.TimeFormat)
		wants(t, answer(200, date), [2]string{"ok", "answers"}, [2]string{"warning", want})
	}
	wants(t, look("https://user:secret@example.com"), [2]string{"problem", "THE_SETTING holds a user"})
	wants(t, look(testaddr.New(t).URL()+"/secret/path"), [2]string{"problem", "refused"})
}

// Nothing is sent to a web service to which a call might mean something.
func TestHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan int, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		n, _ := conn.Read(make([]byte, 1))
		got <- n
	}()
	address := "http://user:secret@" + l.Addr().String() + "/secret?secret"
	found := Host("x", address).Look(t.Context())
	wants(t, found, [2]string{"ok", "http://" + l.Addr().String() + " takes connections"})
	if n := <-got; n != 0 {
		t.Error("it was sent something")
	}
	l.Close()
	found = append(found, Host("x", "http://user:secret@"+testaddr.New(t).Host+"/secret?secret").Look(t.Context())...)
	wants(t, found[1:], [2]string{"problem", "refused → check"})
	found = append(found, Host("x", "secret:%zz").Look(t.Context())...)
	for _, f := range found {
		if strings.Contains(f.Detail+f.Remedy, "secret") {
			t.Errorf("%+v", f)
		}
	}
}
