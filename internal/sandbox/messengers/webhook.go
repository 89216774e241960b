package messengers

import (
	"cmp"
	"net/http"
	"time"

	"ferryman/internal/sandbox/faults"
)

// webhook takes whatever is posted to a name. Its codes are HTTP statuses.
type webhook struct{}

func (webhook) messenger() Messenger { return Webhook }

func (webhook) read(r *http.Request, body []byte) (message, failure) {
	return message{recipient: r.PathValue("name"), text: string(body)}, failure{}
}

func (webhook) id(seq int64) string { return telegram{}.id(seq) }

func (webhook) accepted(a Arrival) any {
	return struct {
		Received int64 `json:"received"`
	}{a.Seq}
}

func (webhook) refused(f failure) (int, any) {
	status := cmp.Or(f.status, httpStatus(f.code))
	return status, faults.Note(cmp.Or(f.detail, cmp.Or(http.StatusText(status), "refused")))
}

func (webhook) special(name string) failure {
	switch name {
	case unknown:
		return failure{code: http.StatusNotFound}
	case blocked:
		return failure{code: http.StatusForbidden}
	case windowClosed:
		return failure{code: http.StatusGone}
	case busy:
		return failure{code: http.StatusTooManyRequests}
	case broken:
		return failure{code: http.StatusInternalServerError}
	}
	return failure{}
}

func (webhook) crowded(bool, time.Duration) failure {
	return failure{code: http.StatusTooManyRequests}
}
