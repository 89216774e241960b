package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ServeOptions bound what a client may cost. Zero values mean the defaults that
// are named.
type ServeOptions struct {
	Log               *slog.Logger  // of what goes wrong below HTTP; required
	ReadHeaderTimeout time.Duration // 5 s
	ReadTimeout       time.Duration // head and body; 30 s
	WriteTimeout      time.Duration // from the moment that the answer is there; 30 s
	IdleTimeout       time.Duration // between two requests of a connection; 2 min
	MaxHeaderBytes    int           // 64 KiB
	MaxConnections    int           // 2,048; see crowd. So many requests are answered at a time, too
	TLS               *tls.Config   // with a certificate; nil: plain HTTP

	Grace time.Duration // for requests that run when the server stops; 10 s
}

// Serve answers on l until ctx ends, then stops: it lets the requests that run
// come to their end, calls off those that are left shortly before the grace is
// over, and cuts those that are left then. It closes l, and returns nil after a
// stop that ctx asked for.
func Serve(ctx context.Context, l net.Listener, h http.Handler, o ServeOptions) error {
	grace := or(o.Grace, 10*time.Second)
	// Requests outlive ctx, which only says that it is time to stop.
	base, callOff := context.WithCancel(context.WithoutCancel(ctx))
	defer callOff()
	most := or(o.MaxConnections, 2048)
	srv := &http.Server{
		Handler:           newGate(h, most, o.Log),
		TLSConfig:         o.TLS,
		ReadHeaderTimeout: or(o.ReadHeaderTimeout, 5*time.Second),
		ReadTimeout:       or(o.ReadTimeout, 30*time.Second),
		WriteTimeout:      or(o.WriteTimeout, 30*time.Second),
		IdleTimeout:       or(o.IdleTimeout, 2*time.Minute),
		MaxHeaderBytes:    or(o.MaxHeaderBytes, 64<<10),
		ErrorLog:          log.New(&serverLog{o.Log}, "", 0),
		ConnState:         newCrowd(most).track,
		BaseContext:       func(net.Listener) context.Context { return base },
		// What "OPTIONS *" is told goes through the one writer, too.
		DisableGeneralOptionsHandler: true,
		// Of HTTP/2, which comes with TLS: a connection is not worth more than that, and one
		// that takes nothing any more is cut.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
	}
	srv.HTTP2.WriteByteTimeout = srv.WriteTimeout
	served := make(chan error, 1)
	go func() {
		if o.TLS != nil {
			served <- srv.ServeTLS(l, "", "")
			return
		}
		served <- srv.Serve(l)
	}()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	// The last second is for those called off to say so.
	last := time.AfterFunc(grace-min(time.Second, grace/2), callOff)
	defer last.Stop()
	until, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := srv.Shutdown(until)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		return ended
	}
	return err
}
