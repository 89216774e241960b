package dashboard

import (
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

// cronForm is the settings of a cron as a form holds them: by the names of the HTTP
// interface, without the units.
type cronForm struct {
	ID     int64  // 0 of a new one
	App    string // of an old one
	Own    bool   // a sync, of which the server's settings decide some
	Apps   []string
	Typed  bool // the application's name is typed: there are too many to choose among
	Values url.Values
	Wrong  map[string]string // what is wrong, by field
}

// Value is what a field holds.
func (f cronForm) Value(name string) string { return f.Values.Get(name) }

// On tells whether a box is ticked.
func (f cronForm) On(name string) bool { return f.Values.Get(name) != "" }

// settingsAsForm writes settings as a form holds them.
func settingsAsForm(slug string, s *ledger.Settings) url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	count := func(name string, n int64) {
		if n != 0 {
			v.Set(name, strconv.FormatInt(n, 10))
		}
	}
	ticked := func(name string, on bool) {
		if on {
			v.Set(name, "on")
		}
	}
	set("slug", slug)
	set("name", s.Name)
	set("schedule", s.Schedule)
	set("timezone", s.Zone)
	set("overlap", string(s.Overlap))
	for name, d := range map[string]time.Duration{"grace": s.Grace, "max_runtime": s.MaxRuntime, "heartbeat": s.Heartbeat, "keep_for": s.KeepFor} {
		set(name, formatSpan(d))
	}
	for name, n := range map[string]int64{"max_running": s.MaxRunning, "fail_after": s.FailAfter, "recover_after": s.RecoverAfter, "keep_runs": s.KeepRuns} {
		count(name, n)
	}
	for name, on := range map[string]bool{"active": s.Active, "each_failure": s.EachFailure, "each_success": s.EachSuccess, "muted": s.Muted} {
		ticked(name, on)
	}
	return v
}

// readSettings reads what a form says into settings, and gives what cannot be read,
// by field.
func readSettings(v url.Values, s *ledger.Settings) (wrong map[string]string) {
	wrong = map[string]string{}
	s.Name, s.Schedule, s.Zone = v.Get("name"), strings.TrimSpace(v.Get("schedule")), strings.TrimSpace(v.Get("timezone"))
	s.Overlap = ledger.Overlap(v.Get("overlap"))
	for name, d := range map[string]*time.Duration{"grace": &s.Grace, "max_runtime": &s.MaxRuntime, "heartbeat": &s.Heartbeat, "keep_for": &s.KeepFor} {
		var ok bool
		if *d, ok = parseSpan(v.Get(name)); !ok {
			wrong[name] = "is no length of time: write it as 90s, 5m, 1h 30m or 2d"
		}
	}
	for name, n := range map[string]*int64{"max_running": &s.MaxRunning, "fail_after": &s.FailAfter, "recover_after": &s.RecoverAfter, "keep_runs": &s.KeepRuns} {
		*n = 0
		text := strings.TrimSpace(v.Get(name))
		if text == "" {
			continue
		}
		var err error
		if *n, err = strconv.ParseInt(text, 10, 64); err != nil {
			wrong[name] = "is no whole number"
		}
	}
	s.Active, s.Muted = v.Get("active") != "", v.Get("muted") != ""
	s.EachFailure, s.EachSuccess = v.Get("each_failure") != "", v.Get("each_success") != ""
	return wrong
}

// watchedBy takes from a form what people decide about a sync.
func watchedBy(s, form ledger.Settings) ledger.Settings {
	form.Name, form.Schedule, form.Zone, form.MaxRunning = s.Name, s.Schedule, s.Zone, s.MaxRunning
	form.Overlap, form.MaxRuntime, form.Heartbeat = s.Overlap, s.MaxRuntime, s.Heartbeat
	return form
}

// noteWrong adds what a domain says is wrong to what is wrong already.
func noteWrong(wrong map[string]string, fields []fault.Field) {
	for _, f := range fields {
		name := strings.TrimSuffix(strings.TrimPrefix(f.Pointer, "/"), "_seconds")
		if wrong[name] == "" {
			wrong[name] = f.Detail
		}
	}
}

// changedIn says which values of a form are others than they were: for the record.
func changedIn(was, is url.Values) string {
	var changes []string
	for _, name := range slices.Sorted(fieldsOf(was, is)) {
		if from, to := was.Get(name), is.Get(name); from != to {
			changes = append(changes, fmt.Sprintf("%s: %s → %s", name, orNothing(from), orNothing(to)))
		}
	}
	return strings.Join(changes, "; ")
}

// fieldsOf gives the names of the fields in any of two forms.
func fieldsOf(a, b url.Values) iter.Seq[string] {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return maps.Keys(both)
}

func orNothing(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
