package messengers

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// pause waits for the fault's delay. It tells whether the client is still there.
func (o *ordered) pause(r *http.Request) bool {
	if o.Delay == 0 {
		return true
	}
	timer := time.NewTimer(o.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-o.gone:
		return true
	case <-r.Context().Done():
		return false
	}
}

// fail does one of the early kinds. It gives the failure to answer, if any, and
// tells whether the request is over without an answer.
func (o *ordered) fail(w http.ResponseWriter, r *http.Request) (f failure, over bool) {
	if !o.pause(r) {
		return failure{}, true
	}
	switch o.Kind {
	case Refuse:
		cut(w)
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
	if !o.pause(r) {
		return
	}
	half := text[:len(text)/2]
	switch o.Kind {
	case Reset:
		cut(w)
	case Mute:
		if o.wait(r) {
			cut(w)
		}
	case Truncate:
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		writeText(w, http.StatusOK, half) // the server closes the connection, seeing too little written
	case InvalidJSON:
		writeText(w, http.StatusOK, half)
	case Huge:
		pad(w, text, or(o.Size, defaultHuge))
	}
}

// cut ends the connection with a reset.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has no connection of its own to cut
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// pad sends a JSON object grown to about size bytes by one more field.
func pad(w http.ResponseWriter, text []byte, size int64) {
	w.Header().Set("Content-Type", contentType)
	_, err := w.Write(append(bytes.TrimSuffix(text, []byte("}")), `,"padding":"`...))
	chunk := bytes.Repeat([]byte("ferry"), 13_000)
	for left := size - int64(len(text)); left > 0 && err == nil; left -= int64(len(chunk)) {
		_, err = w.Write(chunk[:min(left, int64(len(chunk)))])
	}
	if err == nil {
		_, _ = io.WriteString(w, `"}`) // the client may be gone
	}
}
