package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// maxStreams is how many requests one connection of HTTP/2 may have under way.
const maxStreams = 100

// gate bounds how many requests are answered at a time. Of HTTP/1 the connections are
// bounded, which comes to the same; those of HTTP/2 have many requests each. One too many
// is broken off: to tell it so could take as long as to answer it.
type gate struct {
	h      http.Handler
	places chan struct{}
	log    *slog.Logger
	told   atomic.Int64 // when that was last logged, in seconds of Unix
}

// tellEvery bounds how often the log tells of it, in seconds.
const tellEvery = 60

func newGate(h http.Handler, most int, log *slog.Logger) *gate {
	return &gate{h: h, places: make(chan struct{}, most), log: log}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case g.places <- struct{}{}:
		defer func() { <-g.places }()
		g.h.ServeHTTP(w, r)
	default:
		now, last := time.Now().Unix(), g.told.Load()
		if now-last >= tellEvery && g.told.CompareAndSwap(last, now) {
			g.log.Warn("too many requests at a time: some were broken off", "remote", r.RemoteAddr)
		}
		panic(http.ErrAbortHandler)
	}
}

// serverLog takes what net/http has to say. That somebody did not come to terms on TLS
// is no trouble of ours: whoever looks whether a port is open does so.
type serverLog struct{ log *slog.Logger }

// Write logs one line.
func (l *serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelWarn
	if strings.HasPrefix(text, "http: TLS handshake error") {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "http server", "problem", text)
	return len(line), nil
}
