package certificate

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ferryman/internal/certificate/certtest"
	"ferryman/internal/fault"
)

func TestRead(t *testing.T) {
	a, dir, other := certtest.NewAuthority(t), t.TempDir(), t.TempDir()
	cert, key := a.Issue(t, dir, time.Now().Add(time.Hour), "ferry.example", "127.0.0.1")
	_, foreign := a.Issue(t, other, time.Now().Add(time.Hour), "ferry.example")
	p, err := Read(Files{cert, key})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.Names(), " "); got != "ferry.example 127.0.0.1" || p.KeyOpen {
		t.Errorf("names %q, open %v", got, p.KeyOpen)
	}
	large := filepath.Join(other, "large")
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []Files{
		{filepath.Join(dir, "none"), key}, {cert, filepath.Join(dir, "none")}, {dir, key}, {cert, foreign}, {key, cert}, {large, key}, {cert, large}, {key, key}, {"/dev/null", key},
	} {
		_, err := Read(wrong)
		if fault.KindOf(err) != fault.Unconfigured || fault.CodeOf(err) != "tls_files" || fault.HintOf(err) == "" {
			t.Errorf("%v: %v", wrong, err)
		} else if strings.Contains(err.Error(), string(bytes.Split(secret, []byte("\n"))[1])) {
			t.Errorf("%v tells the key", err)
		}
	}
}

func TestKeyThatEverybodyReads(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes")
	}
	cert, key := certtest.NewAuthority(t).Issue(t, t.TempDir(), time.Now().Add(time.Hour), "ferry.example")
	for mode, open := range map[os.FileMode]bool{0o644: true, 0o604: true, 0o640: false, 0o600: false} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		h, err := Open(Files{cert, key}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if h.Current().KeyOpen != open || strings.Contains(log.String(), "everybody on this machine") != open {
			t.Errorf("%v: %v\n%s", mode, h.Current().KeyOpen, log.String())
		}
	}
}

func TestTrouble(t *testing.T) {
	until := time.Now().Add(30 * 24 * time.Hour).Truncate(time.Second)
	cert, key := certtest.NewAuthority(t).Issue(t, t.TempDir(), until, "ferry.example")
	p, err := Read(Files{cert, key})
	if err != nil {
		t.Fatal(err)
	}
	for before, want := range map[time.Duration]string{
		Soon: "", Soon - time.Second: "expires at", time.Second: "expires at", 0: "expired at", -time.Hour: "expired at", 1001 * time.Hour: "not valid before",
	} {
		what, bad := p.Trouble(until.Add(-before))
		if !strings.Contains(what, want) || (what == "") != (want == "") || bad != (before <= 0 || before > 1000*time.Hour) {
			t.Errorf("%v before its end: %q %v", before, what, bad)
		}
	}
}

// TestWatch changes the files while somebody watches them.
func TestWatch(t *testing.T) {
	a, dir := certtest.NewAuthority(t), t.TempDir()
	cert, key := a.Issue(t, dir, time.Now().Add(time.Hour), "one.example")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h, err := Open(Files{cert, key}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		go h.Watch(ctx)
		pass := func(want string) {
			t.Helper()
			log.Reset()
			time.Sleep(3 * lookEvery)
			synctest.Wait()
			if got := h.Current().Leaf.DNSNames[0]; got != want {
				t.Errorf("it shows %s, and not %s", got, want)
			}
		}
		pass("one.example")
		if log.Len() > 0 {
			t.Errorf("nothing changed:\n%s", log.String())
		}
		old, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		a.Issue(t, dir, time.Now().Add(time.Hour), "two.example")
		pass("two.example")
		if n := strings.Count(log.String(), "\n"); n == 0 || !strings.Contains(log.String(), "two.example") {
			t.Errorf("logged %s", log.String())
		}
		if err := os.WriteFile(key, old, 0o600); err != nil { // it is not the certificate's
			t.Fatal(err)
		}
		pass("two.example")
		if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "the old one stays") {
			t.Errorf("three looks at what cannot be used:\n%s", log.String())
		}
		if err := os.Remove(cert); err != nil {
			t.Fatal(err)
		}
		pass("two.example")
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("another trouble:\n%s", log.String())
		}
		a.Issue(t, dir, time.Now().Add(time.Hour), "three.example")
		pass("three.example")
	})
}

// TestPinned has clients know a server by its file, whatever names it is for.
func TestPinned(t *testing.T) {
	a, dir := certtest.NewAuthority(t), t.TempDir()
	cert, key := a.Issue(t, dir, time.Now().Add(time.Hour), "ferry.example")
	other, _ := a.Issue(t, t.TempDir(), time.Now().Add(time.Hour), "ferry.example")
	h, err := Open(Files{cert, key}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		cert: "", other: "another certificate", key: "holds no certificate", filepath.Join(dir, "none"): "none",
	} {
		here, there := net.Pipe()
		go func() {
			server := tls.Server(there, h.TLS())
			if server.Handshake() == nil {
				_, _ = io.WriteString(server, "x")
			}
			_ = there.Close()
		}()
		known := Pinned(file)
		known.ServerName = "127.0.0.1"
		err := tls.Client(here, known).Handshake()
		_ = here.Close()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestOldTLSIsNotSpoken(t *testing.T) {
	cert, key := certtest.NewAuthority(t).Issue(t, t.TempDir(), time.Now().Add(time.Hour), "ferry.example")
	h, err := Open(Files{cert, key}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for version, spoken := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		here, there := net.Pipe()
		go func() {
			_ = tls.Server(there, h.TLS()).Handshake()
			_ = there.Close()
		}()
		known := Pinned(cert)
		known.ServerName, known.MinVersion, known.MaxVersion = "ferry.example", tls.VersionTLS10, version
		err := tls.Client(here, known).Handshake()
		_ = here.Close()
		if (err == nil) != spoken {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}
