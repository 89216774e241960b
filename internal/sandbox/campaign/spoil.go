package campaign

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"ferryman/internal/sandbox/faults"
)

// outcome is what an early fault comes to.
type outcome int

const (
	fails      outcome = iota // with a status, or a cut connection
	goesOn                    // to the right answer
	clientGone                // there is nobody to answer
)

// begin does what comes before the failure of an early fault, if it is to fail.
func (o *ordered) begin(r *http.Request) outcome {
	switch {
	case !faults.Pause(r.Context(), o.Delay, o.gone):
		return clientGone
	case o.Kind == Hang && !o.wait(r):
		return clientGone
	case o.Kind == Hang || o.Kind == Delay:
		return goesOn
	}
	return fails
}

// wait is until the fault is deleted or its time is over. It tells whether the
// client is still there.
func (o *ordered) wait(r *http.Request) bool {
	over := make(<-chan time.Time)
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
	case <-r.Context().Done():
		return false
	}
}

// spoil does one of the late kinds to an answer.
func (o *ordered) spoil(w http.ResponseWriter, r *http.Request, text []byte) {
	if o.Kind != Slow && !faults.Pause(r.Context(), o.Delay, o.gone) {
		return
	}
	half := text[:len(text)/2]
	w.Header().Set("Content-Type", contentType)
	switch o.Kind {
	case Reset:
		faults.Cut(w, fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(text), half))
	case Truncate:
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(half) // the server closes the connection, seeing too little written
	case InvalidJSON:
		_, _ = w.Write(half)
	case Slow:
		o.trickle(w, r, text)
	case Garbage:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Sign in</title><p>This network asks you to sign in first.")
	case Empty:
		w.WriteHeader(http.StatusOK)
	}
}

const slowPieces = 10

// trickle sends the text in pieces, over the fault's delay.
func (o *ordered) trickle(w http.ResponseWriter, r *http.Request, text []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	for i := range slowPieces {
		piece := text[len(text)*i/slowPieces : len(text)*(i+1)/slowPieces]
		if _, err := w.Write(piece); err != nil {
			return // the client is gone
		}
		if err := http.NewResponseController(w).Flush(); err != nil || !faults.Pause(r.Context(), o.Delay/slowPieces, o.gone) {
			return
		}
	}
}
