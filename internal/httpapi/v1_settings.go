package httpapi

import (
	"slices"
	"strings"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
)

// setting is a member that decides something about a cron.
type setting struct {
	name   string
	noneIs bool // null stands for none
	read   func(form, *ledger.Settings)
}

// cronSettings are all of them. What is beyond the ledger's bounds is the
// ledger's to tell.
func cronSettings() []setting {
	seconds := func(name string, set func(*ledger.Settings, time.Duration)) func(form, *ledger.Settings) {
		return func(f form, s *ledger.Settings) {
			const most = 100 * 366 * 24 * time.Hour // what a time.Duration can hold, and some to spare
			n, _ := f.whole(name, 0, int64(most/time.Second))
			set(s, time.Duration(n)*time.Second)
		}
	}
	number := func(name string, set func(*ledger.Settings, int64)) func(form, *ledger.Settings) {
		return func(f form, s *ledger.Settings) {
			n, _ := f.whole(name, 0, 1<<53-1)
			set(s, n)
		}
	}
	return []setting{
		{"name", false, func(f form, s *ledger.Settings) { s.Name = f.text("name", 1000) }},
		{"active", false, func(f form, s *ledger.Settings) { s.Active = f.truth("active") }},
		{"schedule", true, func(f form, s *ledger.Settings) { s.Schedule = f.text("schedule", 1000) }},
		{"timezone", false, func(f form, s *ledger.Settings) { s.Zone = f.text("timezone", 1000) }},
		{"grace_seconds", false, seconds("grace_seconds", func(s *ledger.Settings, d time.Duration) { s.Grace = d })},
		{"max_running", true, number("max_running", func(s *ledger.Settings, n int64) { s.MaxRunning = n })},
		{"overlap", false, func(f form, s *ledger.Settings) {
			s.Overlap = ledger.Overlap(f.word("overlap", string(ledger.Allow), string(ledger.Forbid), string(ledger.Replace)))
		}},
		{"max_runtime_seconds", true, seconds("max_runtime_seconds", func(s *ledger.Settings, d time.Duration) { s.MaxRuntime = d })},
		{"heartbeat_seconds", true, seconds("heartbeat_seconds", func(s *ledger.Settings, d time.Duration) { s.Heartbeat = d })},
		{"fail_after", false, number("fail_after", func(s *ledger.Settings, n int64) { s.FailAfter = n })},
		{"recover_after", false, number("recover_after", func(s *ledger.Settings, n int64) { s.RecoverAfter = n })},
		{"each_failure", false, func(f form, s *ledger.Settings) { s.EachFailure = f.truth("each_failure") }},
		{"each_success", false, func(f form, s *ledger.Settings) { s.EachSuccess = f.truth("each_success") }},
		{"muted", false, func(f form, s *ledger.Settings) { s.Muted = f.truth("muted") }},
		{"keep_runs", false, number("keep_runs", func(s *ledger.Settings, n int64) { s.KeepRuns = n })},
		{"keep_for_seconds", true, seconds("keep_for_seconds", func(s *ledger.Settings, d time.Duration) { s.KeepFor = d })},
	}
}

// cronMembers are the names of the settings, and others.
func cronMembers(others ...string) []string {
	names := others
	for _, s := range cronSettings() {
		names = append(names, s.name)
	}
	return names
}

// cronAnswered are the members with which a cron is shown. Who sends back what was
// read, with a setting changed, need not take out what is not a setting.
func cronAnswered() []string { return append(ledgerjson.Columns[ledgerjson.Cron](), "last_execution") }

// readSettings changes the settings that a form holds.
func (f form) readSettings(s *ledger.Settings) {
	for _, one := range cronSettings() {
		switch {
		case !f.given(one.name):
		case f.null(one.name) && !one.noneIs:
			f.fail(one.name, "type", "must not be null")
		default:
			one.read(f, s)
		}
	}
}

// checkSettings notes what the ledger would say of the values that a form holds,
// beside what is wrong with them already: all of it is told at once.
func (f form) checkSettings(slug string, s ledger.Settings) {
	for _, field := range ledger.Check(slug, s) {
		name := strings.TrimPrefix(field.Pointer, "/")
		known := slices.ContainsFunc(*f.wrong, func(w fault.Field) bool { return w.Pointer == field.Pointer })
		if !known && (f.given(name) || name == "slug") {
			f.fail(name, field.Code, field.Detail)
		}
	}
}
