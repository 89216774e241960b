package faults

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// ContentType is that of the simulators' JSON.
const ContentType = "application/json; charset=utf-8"

// Begin waits as long as the fault delays a request or, by Hang and Mute, holds it
// up. It tells whether the client is still there.
func (o *Ordered) Begin(ctx context.Context) bool {
	return pause(ctx, o.Delay, o.gone) && (o.Kind != Hang && o.Kind != Mute || o.wait(ctx))
}

// wait is until the fault is deleted or its time is over. It tells whether the
// client is still there.
func (o *Ordered) wait(ctx context.Context) bool {
	var over <-chan time.Time
	if o.For != 0 {
		timer := time.NewTimer(time.Until(o.until))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-o.gone:
		return true
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}

// pause waits for a time, or until gone is closed. It tells whether the client is
// still there.
func pause(ctx context.Context, d time.Duration, gone <-chan struct{}) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-gone:
		return true
	case <-ctx.Done():
		return false
	}
}

// Spoil answers with a text of JSON, spoilt after the late kinds. One of a kind that
// is the simulator's own is sent as it is.
func (o *Ordered) Spoil(w http.ResponseWriter, r *http.Request, text []byte) {
	if o.Kind != Slow && !pause(r.Context(), o.Delay, o.gone) {
		return
	}
	half := text[:len(text)/2]
	h := w.Header()
	h.Set("Content-Type", ContentType)
	switch o.Kind {
	case Reset:
		Cut(w, fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), half))
	case Truncate:
		h.Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(half) // the server closes the connection, seeing too little written
	case InvalidJSON:
		_, _ = w.Write(half)
	case Slow:
		o.trickle(w, r, text)
	case Garbage:
		h.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Sign in</title><p>This network asks you to sign in first.")
	case Empty:
		w.WriteHeader(http.StatusOK)
	case Huge:
		pad(w, text, o.size)
	default:
		_, _ = w.Write(text)
	}
}

const slowPieces = 10

// trickle sends the text in pieces, over the fault's delay.
func (o *Ordered) trickle(w http.ResponseWriter, r *http.Request, text []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	for i := range slowPieces {
		piece := text[len(text)*i/slowPieces : len(text)*(i+1)/slowPieces]
		if _, err := w.Write(piece); err != nil {
			return // the client is gone
		}
		if err := http.NewResponseController(w).Flush(); err != nil || !pause(r.Context(), o.Delay/slowPieces, o.gone) {
			return
		}
	}
}

// pad sends a JSON object grown to about size bytes by one more field.
func pad(w io.Writer, text []byte, size int64) {
	_, err := w.Write(append(bytes.TrimSuffix(text, []byte("}")), `,"padding":"`...))
	chunk := bytes.Repeat([]byte("ferry"), 13_000)
	for left := size - int64(len(text)); left > 0 && err == nil; left -= int64(len(chunk)) {
		_, err = w.Write(chunk[:min(left, int64(len(chunk)))])
	}
	if err == nil {
		_, _ = io.WriteString(w, `"}`) // the client may be gone
	}
}

// Cut ends the connection with a reset, after some last bytes. Where the
// connection is not the request's own, as with HTTP/2, it aborts the request.
func Cut(w http.ResponseWriter, last []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = conn.Write(last)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
