// Package faults is what the simulators' faults have in common: how one is written
// on the command line, and how a connection is made to stall, break off or swell.
// What kinds there are, and which requests they hit, is each simulator's own.
package faults

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Parse reads a fault as a flag has it: keys with values, separated by commas,
// such as "status=503,times=3". What stands alone is the value of the key "kind".
// Every key is set once; a second time is an error, as is what set returns. Those
// given are set already.
func Parse(text string, set func(key, value string) error, given ...string) error {
	seen := map[string]bool{}
	for _, key := range given {
		seen[key] = true
	}
	for part := range strings.SplitSeq(text, ",") {
		key, value, assigned := strings.Cut(strings.TrimSpace(part), "=")
		if !assigned {
			key, value = "kind", key
		}
		if seen[key] {
			return fmt.Errorf("%s is given twice", key)
		}
		seen[key] = true
		if err := set(key, value); err != nil {
			return err
		}
	}
	return nil
}

// Pause waits for a time, or until gone is closed. It tells whether the client is
// still there.
func Pause(ctx context.Context, d time.Duration, gone <-chan struct{}) bool {
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

// Pad sends a JSON object grown to about size bytes by one more field.
func Pad(w io.Writer, text []byte, size int64) {
	_, err := w.Write(append(bytes.TrimSuffix(text, []byte("}")), `,"padding":"`...))
	chunk := bytes.Repeat([]byte("ferry"), 13_000)
	for left := size - int64(len(text)); left > 0 && err == nil; left -= int64(len(chunk)) {
		_, err = w.Write(chunk[:min(left, int64(len(chunk)))])
	}
	if err == nil {
		_, _ = io.WriteString(w, `"}`) // the client may be gone
	}
}
