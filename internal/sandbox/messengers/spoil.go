package messengers

import (
	"net/http"
	"strconv"
	"time"

	"ferryman/internal/sandbox/faults"
)

// fail does one of the early kinds. It gives the failure to answer, if any, and
// tells whether the request is over without an answer.
func (o *ordered) fail(w http.ResponseWriter, r *http.Request) (f failure, over bool) {
	if !faults.Pause(r.Context(), o.Delay, o.gone) {
		return failure{}, true
	}
	switch o.Kind {
	case Refuse:
		faults.Cut(w, nil)
		return failure{}, true
	case Hang:
		return failure{}, !o.wait(r)
	case Status, Code:
		if o.Location != "" {
			w.Header().Set("Location", o.Location)
		}
		f = failure{code: o.Code, status: o.Status}
		n, err := strconv.Atoi(o.RetryAfter)
		if err == nil && n > 0 && o.Messenger == Telegram {
			f.wait = time.Duration(n) * time.Second
		} else if o.RetryAfter != "" {
			w.Header().Set("Retry-After", o.RetryAfter)
		}
	}
	return f, false
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
	if !faults.Pause(r.Context(), o.Delay, o.gone) {
		return
	}
	half := text[:len(text)/2]
	switch o.Kind {
	case Reset:
		faults.Cut(w, nil)
	case Mute:
		if o.wait(r) {
			faults.Cut(w, nil)
		}
	case Truncate:
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		writeText(w, http.StatusOK, half) // the server closes the connection, seeing too little written
	case InvalidJSON:
		writeText(w, http.StatusOK, half)
	case Huge:
		w.Header().Set("Content-Type", contentType)
		faults.Pad(w, text, or(o.Size, defaultHuge))
	}
}
