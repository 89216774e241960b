package outboxtest

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/outbox"
	"ferryman/internal/testaddr"
)

// untold checks an outcome of an attempt that surely brought nothing to the other
// side.
func (b *bench) untold(o outbox.Outcome, trouble bool) {
	b.Helper()
	if o.Verdict != outbox.Retry || o.Trouble != trouble || o.Status != 0 {
		b.Errorf("got %+v, want a retry without a status, trouble %v", o, trouble)
	}
}

func refused(b *bench) {
	b.channel = b.open(testaddr.New(b.T).URL())
	b.untold(b.send(b.Context(), b.any(), 0), true)
}

// resetBefore: whether the request was read cannot be known from here.
func resetBefore(b *bench) {
	b.channel = b.open(listen(b.T, reset))
	o := b.send(b.Context(), b.any(), 0)
	if o.Verdict != outbox.Retry && o.Verdict != outbox.Uncertain || !o.Trouble || o.Status != 0 {
		b.Errorf("got %+v, want a retry or uncertain, and trouble", o)
	}
}

func resetAfter(b *bench) {
	for _, end := range []func(net.Conn){reset, func(net.Conn) {}} {
		b.other.says(raw(b.T, end))
		b.lost(b.send(b.Context(), b.any(), 1))
	}
}

// keptConnection: a client that takes the connection for merely stale would send
// again by itself.
func keptConnection(b *bench) {
	for _, end := range []func(net.Conn){reset, func(net.Conn) {}} {
		b.other.says(b.table.Accept.write)
		if o := b.send(b.Context(), b.any(), 1); o.Verdict != outbox.Accepted {
			b.Fatalf("got %+v", o)
		}
		b.other.says(raw(b.T, end))
		b.lost(b.send(b.Context(), b.any(), 1))
	}
}

func notHTTP(b *bench) {
	for _, text := range []string{
		"SSH-2.0-OpenSSH_9.9\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
	} {
		b.other.says(raw(b.T, say(text)))
		b.lost(b.send(b.Context(), b.any(), 1))
	}
}

func noAnswer(b *bench) {
	b.other.says(func(_ http.ResponseWriter, r request) { <-r.Context().Done() })
	b.lost(b.send(b.Context(), b.any(), 1))
}

// cutAnswer gives half of an answer that accepts.
func cutAnswer(b *bench) {
	a := b.table.Accept
	b.other.says(raw(b.T, say("HTTP/1.1 "+strconv.Itoa(a.Status)+" OK\r\nContent-Type: application/json\r\nContent-Length: "+
		strconv.Itoa(len(a.Body)+1000)+"\r\n\r\n"+a.Body[:len(a.Body)/2])))
	b.lostAfter(a.Status, b.send(b.Context(), b.any(), 1))
}

// drippingAnswer gives a byte at a time of an answer without an end.
func drippingAnswer(b *bench) {
	status := b.table.Accept.Status
	b.other.says(func(w http.ResponseWriter, r request) {
		w.WriteHeader(status)
		tick := time.NewTicker(short / 20)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	b.lostAfter(status, b.send(b.Context(), b.any(), 1))
}

// endlessAnswer gives more than anybody should read or keep.
func endlessAnswer(b *bench) {
	const size, enough = 64 << 20, 24 << 20 // the buffers of the sockets hold some of it
	for _, status := range []int{http.StatusOK, http.StatusBadGateway} {
		written := make(chan int, 1)
		b.other.says(func(w http.ResponseWriter, _ request) {
			w.WriteHeader(status)
			piece, n := []byte(strings.Repeat("x", 32<<10)), 0
			for n < size {
				k, err := w.Write(piece)
				n += k
				if err != nil {
					break
				}
			}
			written <- n
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		o := b.send(b.Context(), b.any(), 1)
		runtime.ReadMemStats(&after)
		if want := b.table.Status(status); o.Verdict != want.Verdict || o.Status != status {
			b.Errorf("%d: got %+v, want %+v", status, o, want)
		}
		if n := <-written; n >= enough {
			b.Errorf("%d: %d MiB of the answer were read", status, n>>20)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n >= enough {
			b.Errorf("%d: it took %d MiB of memory", status, n>>20)
		}
	}
}

func calledOffBefore(b *bench) {
	b.other.says(b.table.Accept.write)
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	b.untold(b.send(ctx, b.any(), 0), false)
}

// calledOffInMidst: to be called off is no trouble of the other side's.
func calledOffInMidst(b *bench) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.other.says(func(_ http.ResponseWriter, r request) {
		cancel()
		<-r.Context().Done()
	})
	o := b.send(ctx, b.any(), 1)
	if o.Verdict != outbox.Uncertain || o.Trouble {
		b.Errorf("got %+v, want it uncertain, and no trouble", o)
	}
}
