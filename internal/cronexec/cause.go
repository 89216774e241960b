package cronexec

import (
	"errors"
	"time"

	"ferryman/internal/fault"
)

// cause is err for a person: what is wrong, and what to do about it.
func (r *run) cause(err error) string {
	var better *fault.Error
	switch fault.KindOf(err) {
	case fault.Unauthorized:
		better = &fault.Error{
			Detail: "the server at " + r.URL + " does not take the key",
			Hint:   "set FERRYMAN_API_KEY or FERRYMAN_API_KEY_FILE to a live key of the cron's application",
		}
	case fault.Forbidden:
		better = &fault.Error{
			Detail: "the key may not report runs at " + r.URL,
			Hint:   "make one that may: ferryman key create --app NAME --scope ping",
		}
	case fault.NotFound:
		better = &fault.Error{
			Detail: "the server at " + r.URL + " knows no such cron or execution of the key's application",
			Hint:   "check the slug and FERRYMAN_URL, or make the cron: ferryman cron add " + r.Slug + " --app NAME",
		}
	case fault.Timeout:
		better = &fault.Error{Detail: "the server at " + r.URL + " gives no answer in time", Hint: "check that it is well, and FERRYMAN_URL"}
	default:
		return err.Error()
	}
	return better.Error()
}

// retryAfter is how long the server asked to wait, 0 if it did not.
func retryAfter(err error) time.Duration {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.RetryAfter
	}
	return 0
}
