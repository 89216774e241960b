package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestListen(t *testing.T) {
	wants(t, Listen("127.0.0.1:0", nil, nil).Look(t.Context()), [2]string{"ok", "is free"})
	for _, wrong := range []string{"192.0.2.7:80", "nonsense", "no-such-host.invalid:80"} {
		wants(t, Listen(wrong, nil, nil).Look(t.Context()), [2]string{"problem", "→ name an address of this machine"})
	}
	for answer, want := range map[string][2]string{
		`200 {"status":"ok","checks":["store","node"]}`:                {"ok", "is ready: store, node"},
		`503 {"status":503,"code":"not_ready","detail":"store: away"}`: {"problem", "is not ready: store: away"},
		`200 {"status":"ok"}`: {"problem", "does not answer as Ferryman does → stop that program"},
		`200 <html>`:          {"problem", "does not answer as Ferryman does"},
		`302 {}`:              {"problem", "does not answer as Ferryman does"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				t.Errorf("%s", r.URL)
			}
			status := map[string]int{"200": 200, "302": 302, "503": 503}[answer[:3]]
			w.Header().Set("Location", "/other")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(answer[4:]))
		}))
		wants(t, Listen(strings.TrimPrefix(server.URL, "http://"), nil, nil).Look(t.Context()), want)
		server.Close()
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	defer mute.Close()
	wants(t, Listen(mute.Addr().String(), nil, nil).Look(t.Context()), [2]string{"problem", "does not answer as Ferryman does"})
}

// A server that speaks another way than these settings would have it is no stranger.
func TestListenSpeaksAnotherWay(t *testing.T) {
	ready := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"ok","checks":["store"]}`))
	})
	secure, plain := httptest.NewTLSServer(ready), httptest.NewServer(ready)
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	for _, s := range []*httptest.Server{secure, plain, stranger} {
		defer s.Close()
	}
	wants(t, Listen(secure.Listener.Addr().String(), nil, nil).Look(t.Context()),
		[2]string{"problem", "a Ferryman at " + secure.Listener.Addr().String() + " speaks TLS, and these settings have no certificate → set FERRYMAN_TLS_CERT_FILE"})
	wants(t, Listen(stranger.Listener.Addr().String(), nil, nil).Look(t.Context()),
		[2]string{"problem", "by a program that speaks TLS and does not answer as Ferryman does → if it is to be Ferryman, set FERRYMAN_TLS_CERT_FILE"})
	known := &tls.Config{InsecureSkipVerify: true}
	wants(t, Listen(plain.Listener.Addr().String(), nil, known).Look(t.Context()), [2]string{"problem", "speaks plain HTTP, and these settings have a certificate → restart it"})
	wants(t, Listen(secure.Listener.Addr().String(), nil, known).Look(t.Context()), [2]string{"ok", "is ready: store"})
}

// Whether there is a key matters where the network reaches the server.
func TestListenIsExposed(t *testing.T) {
	asked := 0
	look := func(address string, exposed bool, err error) []Finding {
		return Listen(address, func(context.Context) (bool, error) {
			asked++
			return exposed, err
		}, nil).Look(t.Context())
	}
	wants(t, look("127.0.0.1:0", true, nil), [2]string{"ok", "is free"})
	if asked > 0 {
		t.Error("it does not matter on loopback")
	}
	wants(t, look("0.0.0.0:0", true, nil), [2]string{"problem", "there is no key: the server would not start → make a key"})
	wants(t, look("0.0.0.0:0", false, nil), [2]string{"ok", "is free"})
	if found := look("0.0.0.0:0", false, errors.New("it is away")); len(found) != 1 || found[0].Level != Problem {
		t.Errorf("%+v", found)
	}
}

func TestOpenFiles(t *testing.T) {
	if found := OpenFiles().Look(t.Context()); len(found) != 1 || found[0].Level == Problem {
		t.Errorf("%+v", found)
	}
}
