package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
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

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) Reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Reset()
}

// TestWatch changes the files while somebody watches them.
func TestWatch(t *testing.T) {
	a, dir := certtest.NewAuthority(t), t.TempDir()
	cert, key := a.Issue(t, dir, time.Now().Add(time.Hour), "one.example")
	synctest.Test(t, func(t *testing.T) {
		var log journal
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
		if log.String() != "" {
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

// A look that does not come to its end holds up neither the server's end nor handshakes.
func TestADiskThatHangs(t *testing.T) {
	a, dir := certtest.NewAuthority(t), t.TempDir()
	cert, key := a.Issue(t, dir, time.Now().Add(time.Hour), "ferry.example")
	h, err := Open(Files{cert, key}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock() // as the look does
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { h.Watch(ctx); close(ended) }()
		time.Sleep(3 * lookEvery)
		cancel()
		<-ended
	})
	if err := meet(h, cert); err != nil {
		t.Error(err)
	}
	h.mu.Unlock()
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
		if err := meet(h, file); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// meet has a client that knows a certificate's file call the server.
func meet(h *Holder, file string) error {
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
	return err
}

// TestRenewalLosesNobody has a client call at once after the files were replaced, before
// the next look at them is due.
func TestRenewalLosesNobody(t *testing.T) {
	a, dir := certtest.NewAuthority(t), t.TempDir()
	cert, key := a.Issue(t, dir, time.Now().Add(time.Hour), "ferry.example")
	h, err := Open(Files{cert, key}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a.Issue(t, dir, time.Now().Add(time.Hour), "ferry.example")
	if err := meet(h, cert); err != nil {
		t.Error(err)
	}
}

// TestHalfARenewal has the server keep its certificate, since the new one came without its
// key. Clients that find the new one in the file go on if an authority vouches for the old.
func TestHalfARenewal(t *testing.T) {
	a := certtest.NewAuthority(t)
	vouch, err := os.ReadFile(a.File)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := os.ReadFile(certtest.NewAuthority(t).File)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		old, renewed string
		left         time.Duration // of the old one
		authority    []byte        // in the file of the new one
		want         string
	}{
		{"ferry.example", "ferry.example", time.Hour, vouch, ""},
		{"ferry.example", "*.example", time.Hour, vouch, "not *.example"},
		{"*.example", "*.example", time.Hour, vouch, ""},
		{"127.0.0.1", "127.0.0.1", time.Hour, vouch, ""},
		{"other.example", "ferry.example", time.Hour, vouch, "other.example"},
		{"ferry.example", "ferry.example", -time.Minute, vouch, "expired"},
		{"ferry.example", "ferry.example", time.Hour, stranger, "unknown authority"},
		{"ferry.example", "ferry.example", time.Hour, nil, "unknown authority"},
	} {
		dir := t.TempDir()
		cert, key := a.Issue(t, dir, time.Now().Add(tt.left), tt.old)
		h, err := Open(Files{cert, key}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		fresh, _ := a.Issue(t, t.TempDir(), time.Now().Add(time.Hour), tt.renewed)
		text, err := os.ReadFile(fresh)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(cert, append(text, tt.authority...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := meet(h, cert); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s for %s: %v", tt.old, tt.renewed, err)
		}
	}
}

// TestReminders has the log tell each day of a certificate that nobody renews.
func TestReminders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert, key := certtest.NewAuthority(t).Issue(t, t.TempDir(), time.Now().Add(Soon+time.Hour), "ferry.example")
		var log bytes.Buffer
		h, err := Open(Files{cert, key}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		for hour := range 4 * 24 {
			h.look()
			if got, want := strings.Count(log.String(), "wants renewing"), (hour+22)/24; got != want { // it is soon after two hours
				t.Fatalf("after %d hours it told of it %d times:\n%s", hour, got, log.String())
			}
			time.Sleep(time.Hour)
		}
	})
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
