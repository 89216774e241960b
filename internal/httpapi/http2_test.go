package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/certificate"
	"ferryman/internal/certificate/certtest"
	"ferryman/internal/syncs"
	"ferryman/internal/testwait"
)

// encrypted serves the house by TLS, and gives what a client that trusts it needs.
func (h *house) encrypted(o ServeOptions) *tls.Config {
	h.t.Helper()
	speaks, trusts := agreed(h.t)
	o.TLS = speaks
	h.serve(o)
	return trusts
}

// agreed is how a server and a client come to terms on TLS.
func agreed(t testing.TB) (speaks, trusts *tls.Config) {
	t.Helper()
	a := certtest.NewAuthority(t)
	cert, key := a.Issue(t, t.TempDir(), time.Now().Add(time.Hour), "localhost", "127.0.0.1")
	holder, err := certificate.Open(certificate.Files{Cert: cert, Key: key}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return holder.TLS(), &tls.Config{RootCAs: a.Pool(t), MinVersion: tls.VersionTLS12}
}

// get makes a call by HTTP/2, or by HTTP/1.1 if the client knows no other.
func get(t *testing.T, c *http.Client, method, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res, err
}

func TestServeSpeaksTLS(t *testing.T) {
	h := build(t)
	trusts := h.encrypted(ServeOptions{})
	for _, newer := range []bool{true, false} {
		transport := &http.Transport{TLSClientConfig: trusts.Clone(), ForceAttemptHTTP2: newer}
		res, err := get(t, &http.Client{Transport: transport}, "GET", h.url+"/healthz")
		transport.CloseIdleConnections()
		if err != nil || res.StatusCode != http.StatusOK || (res.ProtoMajor == 2) != newer {
			t.Errorf("HTTP/2 %v: %v %v", newer, res, err)
		}
	}
	if _, err := get(t, client, "GET", h.url+"/healthz"); err == nil {
		t.Error("a client that does not know the authority takes the certificate")
	}
	res, err := get(t, client, "GET", strings.Replace(h.url, "https", "http", 1)+"/healthz")
	if err != nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: %v %v", res, err)
	}
}

// TestLongSyncOutlivesTimeoutsOfHTTP2 is TestLongSyncOutlivesTimeouts where a time-out
// ends the request and not the connection.
func TestLongSyncOutlivesTimeoutsOfHTTP2(t *testing.T) {
	h := build(t)
	began, finish := make(chan struct{}), make(chan struct{})
	h.call = func(ctx context.Context) (syncs.Run, error) {
		began <- struct{}{}
		<-finish
		return goodRun(epoch), ctx.Err()
	}
	const short = 300 * time.Millisecond // for the handshake, too
	transport := &http.Transport{TLSClientConfig: h.encrypted(ServeOptions{ReadTimeout: short, WriteTimeout: short, ReadHeaderTimeout: time.Second}), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	time.AfterFunc(3*short, func() { <-began; finish <- struct{}{} })
	res, err := get(t, &http.Client{Transport: transport}, "PATCH", h.url+"/api/syncall")
	if err != nil || res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		t.Errorf("%v %v", res, err)
	}
}

// TestLongExportOutlivesTimeouts has the store take longer for each piece than the server
// gives readers.
func TestLongExportOutlivesTimeouts(t *testing.T) {
	const short = 300 * time.Millisecond // for the handshake, too
	var h *house
	h = build(t, func(o *Options) {
		o.Dashboard = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			left := 3
			h.finish(w, r, &exchange{id: "x", begun: time.Now(), out: reply{body: []byte("piece"), more: func(context.Context) ([]byte, error) {
				<-time.After(3 * short)
				if left--; left < 0 {
					return nil, nil
				}
				return []byte("piece"), nil
			}}})
		})
	})
	transport := &http.Transport{TLSClientConfig: h.encrypted(ServeOptions{WriteTimeout: short}), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	if res, err := get(t, &http.Client{Transport: transport}, "GET", h.url+"/ui/"); err != nil || res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		t.Errorf("%v %v", res, err)
	}
}

// TestRequestsAreBounded has one connection ask for more than the server answers at a
// time.
func TestRequestsAreBounded(t *testing.T) {
	h := build(t)
	const most = 3
	began, finish := make(chan struct{}, most), make(chan struct{})
	h.call = func(context.Context) (syncs.Run, error) {
		began <- struct{}{}
		<-finish
		return goodRun(epoch), nil
	}
	transport := &http.Transport{TLSClientConfig: h.encrypted(ServeOptions{MaxConnections: most}), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	var all sync.WaitGroup
	for range most {
		all.Go(func() {
			if res, err := get(t, c, "PATCH", h.url+"/api/syncall"); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("%v %v", res, err)
			}
		})
	}
	for range most {
		<-began
	}
	if res, err := get(t, c, "GET", h.url+"/healthz"); err == nil {
		t.Errorf("one too many is answered: %v", res)
	}
	close(finish)
	all.Wait()
	testwait.Until(t, "there is a place again", func() bool {
		res, err := get(t, c, "GET", h.url+"/healthz")
		return err == nil && res.StatusCode == http.StatusOK
	})
}

// Frames of HTTP/2 (RFC 9113), as far as the attacks below need them.
const (
	frameHeaders, frameReset, frameSettings, frameGoAway, frameContinuation = 1, 3, 4, 7, 9

	endStream, endHeaders = 0x1, 0x4
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

// asks is the header block of a GET: indexed fields, and two literals.
func asks(path string) []byte {
	block := append([]byte{0x82, 0x87, 0x04, byte(len(path))}, path...)
	return append(append(block, 0x01, byte(len("localhost"))), "localhost"...)
}

// speak2 opens a connection of HTTP/2 by hand.
func speak2(t *testing.T, address string, trusts *tls.Config) *tls.Conn {
	t.Helper()
	config := trusts.Clone()
	config.NextProtos = []string{"h2"}
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.(*tls.Conn).NetConn().Close() })
	if _, err := conn.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(frameSettings, 0, 0, nil)...)); err != nil {
		t.Fatal(err)
	}
	return conn.(*tls.Conn)
}

// nextFrame reads a frame.
func nextFrame(r io.Reader) (kind byte, payload []byte, err error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err = io.ReadFull(r, payload)
	return head[3], payload, err
}

func TestHTTP2TellsItsBounds(t *testing.T) {
	h := build(t)
	trusts := h.encrypted(ServeOptions{})
	conn := speak2(t, h.url, trusts)
	kind, payload, err := nextFrame(conn)
	if err != nil || kind != frameSettings {
		t.Fatalf("frame %d, %v", kind, err)
	}
	told := map[uint16]uint32{}
	for ; len(payload) >= 6; payload = payload[6:] {
		told[binary.BigEndian.Uint16(payload)] = binary.BigEndian.Uint32(payload[2:])
	}
	const maxConcurrent, maxHeaderList = 3, 6
	if told[maxConcurrent] != maxStreams || told[maxHeaderList] == 0 || told[maxHeaderList] > 128<<10 {
		t.Errorf("settings %v", told)
	}
}

// TestFloodsOfHTTP2 sends what has brought down servers, and looks that this one ends
// the connection and goes on for others.
func TestFloodsOfHTTP2(t *testing.T) {
	for name, flood := range map[string]func(conn net.Conn) error{
		"continuation": func(conn net.Conn) error {
			if _, err := conn.Write(frame(frameHeaders, 0, 1, asks("/healthz"))); err != nil {
				return err
			}
			field := append([]byte{0x00, 1, 'x', 100}, bytes.Repeat([]byte("y"), 100)...) // a literal, not indexed
			for range 20_000 {
				if _, err := conn.Write(frame(frameContinuation, 0, 1, bytes.Repeat(field, 20))); err != nil {
					return err
				}
			}
			return errors.New("40 MB of head were taken")
		},
		"settings": func(conn net.Conn) error {
			for range 500_000 {
				if _, err := conn.Write(frame(frameSettings, 0, 0, nil)); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t)
			trusts := h.encrypted(ServeOptions{})
			conn := speak2(t, h.url, trusts)
			if err := conn.SetDeadline(time.Now().Add(testwait.Limit)); err != nil {
				t.Fatal(err)
			}
			sent := make(chan error, 1)
			go func() { sent <- flood(conn) }()
			transport := &http.Transport{TLSClientConfig: trusts.Clone(), ForceAttemptHTTP2: true}
			defer transport.CloseIdleConnections()
			meanwhile := func() {
				res, err := get(t, &http.Client{Transport: transport, Timeout: testwait.Limit}, "GET", h.url+"/readyz")
				if err != nil || res.StatusCode != http.StatusOK {
					t.Errorf("somebody else hears %v %v", res, err)
				}
			}
			meanwhile()
			var err error
			if name == "settings" { // who reads no acknowledgement is not read any more
				meanwhile()
				_ = conn.NetConn().Close()
				_ = testwait.Receive(t, sent)
			} else {
				for err == nil { // until the server closes
					_, _, err = nextFrame(conn)
				}
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the connection is still open")
				}
				if err := testwait.Receive(t, sent); err == nil || strings.Contains(err.Error(), "taken") {
					t.Errorf("all of it was taken: %v", err)
				}
			}
			meanwhile()
		})
	}
}

// TestRapidReset begins requests and takes them back, where to answer one takes long
// whether or not somebody waits for it.
func TestRapidReset(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	speaks, trusts := agreed(t)
	var running, peak atomic.Int64
	finish := make(chan struct{})
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		now := running.Add(1)
		defer running.Add(-1)
		for before := peak.Load(); now > before && !peak.CompareAndSwap(before, now); before = peak.Load() {
		}
		<-finish
	})
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, l, handler, ServeOptions{Log: slog.New(slog.DiscardHandler), TLS: speaks})
	}()
	conn := speak2(t, l.Addr().String(), trusts)
	if err := conn.SetDeadline(time.Now().Add(testwait.Limit)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		var err error
		for stream := uint32(1); err == nil && stream < 200_000; stream += 2 {
			pair := append(frame(frameHeaders, endStream|endHeaders, stream, asks("/healthz")), frame(frameReset, 0, stream, []byte{0, 0, 0, 8})...)
			_, err = conn.Write(pair)
		}
		sent <- err
	}()
	var kind byte
	for err == nil && kind != frameGoAway {
		kind, _, err = nextFrame(conn)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server goes on with it")
	}
	_ = conn.NetConn().Close()
	_ = testwait.Receive(t, sent)
	if n := peak.Load(); n == 0 || n > maxStreams {
		t.Errorf("%d requests at a time", n)
	}
	close(finish)
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestSlowReaderOfHTTP2IsCut asks for much and takes nothing of it: the server gives up
// where HTTP/2 has it wait for leave to send more.
func TestSlowReaderOfHTTP2IsCut(t *testing.T) {
	h := build(t)
	long := strings.Repeat("x", 100_000)
	h.rows["users"] = nil
	for i := range 150 {
		h.rows["users"] = append(h.rows["users"], []any{int64(i), long, "e", "i", "f", "l", epoch, epoch})
	}
	trusts := h.encrypted(ServeOptions{WriteTimeout: 500 * time.Millisecond}) // which bounds the handshake, too
	conn := speak2(t, h.url, trusts)
	if _, err := conn.Write(frame(frameHeaders, endStream|endHeaders, 1, asks("/api/users?limit=150"))); err != nil {
		t.Fatal(err)
	}
	_ = testwait.Receive(t, h.log.written)
	if n := h.logged("/api/users")[0]["bytes"].(float64); n >= 15_000_000 {
		t.Errorf("%v bytes went to a client that takes nothing", n)
	}
}
