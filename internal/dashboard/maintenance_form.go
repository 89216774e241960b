package dashboard

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

// windowForm is the form of a new window.
type windowForm struct {
	Values url.Values
	Wrong  map[string]string // what is wrong with a field, by its name
	Apps   []string          // to choose among
	Typed  bool              // the application's name is typed
}

// Value is what a field holds.
func (f windowForm) Value(name string) string { return strings.TrimSpace(f.Values.Get(name)) }

// windowSpans are how long a window may last that begins at once.
func windowSpans() map[string]time.Duration {
	return map[string]time.Duration{"1h": time.Hour, "4h": 4 * time.Hour, "1d": 24 * time.Hour}
}

// readWindow reads the form, and notes in it what is wrong.
func (d *Dashboard) readWindow(r *request, f *windowForm) (w ledger.Window, err error) {
	f.readTimes(&w, r.now, r.zone)
	w.Reason = f.Value("reason")
	w.AppID = r.viewer.AppID
	if app := f.Value("app"); app != "" {
		w.AppID, err = d.appNamed(r.Context(), r.viewer, app)
		switch {
		case errors.Is(err, apikey.ErrNoApplication):
			f.Wrong["app"] = "is none of the applications"
		case err != nil:
			return w, err
		}
	}
	if slug := f.Value("cron"); slug != "" && f.Wrong["app"] == "" {
		return w, d.readWindowCron(r, f, &w, slug)
	}
	return w, nil
}

func (f *windowForm) readTimes(w *ledger.Window, now time.Time, zone *time.Location) {
	if length, quick := windowSpans()[f.Value("for")]; quick {
		w.EndsAt = now.Add(length)
		return
	}
	var err error
	if text := f.Value("from"); text != "" {
		if w.StartsAt, _, err = wallTime(text, zone); err != nil {
			f.Wrong["from"] = err.Error()
		}
	}
	text := f.Value("until")
	if text == "" {
		f.Wrong["until"] = "is missing: say until when, or choose how long from now"
		return
	}
	if _, w.EndsAt, err = wallTime(text, zone); err != nil {
		f.Wrong["until"] = err.Error()
	}
}

// readWindowCron finds the cron that a window is for. Its application need not be
// named if no other has a cron of that name.
func (d *Dashboard) readWindowCron(r *request, f *windowForm, w *ledger.Window, slug string) error {
	var found []ledger.Cron
	ref, valid := ledger.ParseRef(slug)
	var err error
	switch {
	case !valid:
		err = ledger.ErrNoCron
	case w.AppID == 0 && ref.ID == 0:
		found, err = d.o.Ledger.Named(r.Context(), slug)
	default:
		found = make([]ledger.Cron, 1)
		found[0], err = d.o.Ledger.Cron(r.Context(), w.AppID, ref)
	}
	switch {
	case errors.Is(err, ledger.ErrNoCron):
		f.Wrong["cron"] = "is none of the crons"
	case err != nil:
		return err
	case len(found) > 1:
		f.Wrong["cron"] = fmt.Sprintf("is one of %d applications: choose which", len(found))
	default:
		w.AppID, w.CronID = found[0].AppID, found[0].ID
	}
	return nil
}

// refusedWindow notes what the ledger says is wrong with a window, and tells whether
// all of that belongs to fields.
func (f *windowForm) refusedWindow(err error) bool {
	wrong, ok := errors.AsType[*fault.Error](err)
	if !ok || wrong.Kind != fault.Unprocessable || len(wrong.Fields) == 0 {
		return false
	}
	fields := map[string]string{"/starts_at": "from", "/ends_at": "until", "/reason": "reason"}
	for _, one := range wrong.Fields {
		name, known := fields[one.Pointer]
		if !known {
			return false
		}
		f.Wrong[name] = one.Detail
	}
	return true
}
