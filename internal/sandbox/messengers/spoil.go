package messengers

import (
	"net/http"
	"strconv"
	"time"

	"ferryman/internal/sandbox/faults"
)

// fail does one of the early kinds. It gives the failure to answer, if any, and
// tells whether the request is over without an answer.
func fail(w http.ResponseWriter, r *http.Request, o *faults.Ordered) (f failure, over bool) {
	if !o.Begin(r.Context()) {
		return failure{}, true
	}
	switch o.Kind {
	case Refuse:
		faults.Cut(w, nil)
		return failure{}, true
	case Status, Code:
		if o.Location != "" {
			w.Header().Set("Location", o.Location)
		}
		f = failure{code: o.Code, status: o.Status}
		n, err := strconv.Atoi(o.RetryAfter)
		if err == nil && n > 0 && Messenger(o.Messenger) == Telegram {
			f.wait = time.Duration(n) * time.Second
		} else if o.RetryAfter != "" {
			w.Header().Set("Retry-After", o.RetryAfter)
		}
	}
	return f, false
}

// spoil does one of the late kinds to an answer.
func spoil(w http.ResponseWriter, r *http.Request, o *faults.Ordered, text []byte) {
	if o.Kind != Reset && o.Kind != Mute {
		o.Spoil(w, r, text)
		return
	}
	if o.Begin(r.Context()) {
		faults.Cut(w, nil)
	}
}
