package ledger

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ferryman/internal/fault"
	"ferryman/internal/schedule"
)

// Bounds of settings.
const (
	day = 24 * time.Hour

	maxName      = 200 // characters
	maxGrace     = 7 * day
	maxPlaces    = 1000
	maxRuntime   = 366 * day
	maxHeartbeat = day
	maxInARow    = 1000
	maxKeepRuns  = 10_000_000
	minKeepFor   = time.Hour
	maxKeepFor   = 36_500 * day
)

// DefaultSettings are those of a cron about which nothing was decided.
func DefaultSettings() Settings {
	return Settings{
		Active: true, Zone: "UTC", Grace: DefaultGrace, Overlap: Allow, FailAfter: 1, RecoverAfter: 1, KeepRuns: DefaultKeepRuns,
	}
}

// complete replaces what stands for a default by the default, and brings name,
// schedule and zone into their canonical form. It gives what is wrong, each value
// with the member of the HTTP interface that holds it.
func (s *Settings) complete(slug string) []fault.Field {
	var w wrongs
	if s.Name = strings.TrimSpace(clean(s.Name)); s.Name == "" {
		s.Name = slug
	}
	if utf8.RuneCountInString(s.Name) > maxName {
		w.add("/name", "max_length", fmt.Sprintf("must have at most %d characters", maxName))
	}
	if strings.ContainsFunc(s.Name, unicode.IsControl) {
		w.add("/name", "format", "must be one line without control characters")
	}
	w.schedule(s)
	if s.Overlap == "" {
		s.Overlap = Allow
	}
	if s.Overlap != Allow && s.Overlap != Forbid && s.Overlap != Replace {
		w.add("/overlap", "enum", "must be one of allow, forbid, replace")
	}
	if s.MaxRunning != 0 {
		w.number("/max_running", s.MaxRunning, maxPlaces)
	}
	w.duration("/grace_seconds", s.Grace, 0, maxGrace)
	if s.MaxRuntime != 0 {
		w.duration("/max_runtime_seconds", s.MaxRuntime, time.Second, maxRuntime)
	}
	if s.Heartbeat != 0 {
		w.duration("/heartbeat_seconds", s.Heartbeat, time.Second, maxHeartbeat)
	}
	for _, n := range []struct {
		pointer             string
		value               *int64
		otherwise, greatest int64
	}{
		{"/fail_after", &s.FailAfter, 1, maxInARow}, {"/recover_after", &s.RecoverAfter, 1, maxInARow},
		{"/keep_runs", &s.KeepRuns, DefaultKeepRuns, maxKeepRuns},
	} {
		if *n.value == 0 {
			*n.value = n.otherwise
		}
		w.number(n.pointer, *n.value, n.greatest)
	}
	if s.KeepFor != 0 {
		w.duration("/keep_for_seconds", s.KeepFor, minKeepFor, maxKeepFor)
	}
	return w
}

// wrongs are values that are wrong.
type wrongs []fault.Field

func (w *wrongs) add(pointer, code, detail string) {
	*w = append(*w, fault.Field{Pointer: pointer, Code: code, Detail: detail})
}

func (w *wrongs) number(pointer string, n, most int64) {
	if n < 1 || n > most {
		w.add(pointer, "range", fmt.Sprintf("must be from 1 to %d", most))
	}
}

func (w *wrongs) duration(pointer string, d, least, most time.Duration) {
	switch {
	case d < least || d > most:
		w.add(pointer, "range", fmt.Sprintf("must be from %s to %s", inWords(least), inWords(most)))
	case d%time.Second != 0:
		w.add(pointer, "format", "must be a whole number of seconds")
	}
}

// schedule reads the schedule and its zone, and tells of both what is wrong.
func (w *wrongs) schedule(s *Settings) {
	zone := s.Zone
	if _, err := schedule.Parse("", zone); err != nil {
		w.refused("/timezone", err)
		zone = ""
	}
	plan, err := schedule.Parse(s.Schedule, zone)
	if err != nil {
		w.refused("/schedule", err)
		return
	}
	s.Schedule = plan.String()
	if s.Zone == "" {
		s.Zone = "UTC"
	}
}

func (w *wrongs) refused(pointer string, err error) {
	w.add(pointer, "format", err.Error()) // with its hint
}

// inWords writes a bound as people would.
func inWords(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d s", d/time.Second)
	}
}

// slug tells what is wrong with a slug, if anything is.
func (w *wrongs) slug(slug string) {
	switch {
	case ValidSlug(slug):
	case slug == "":
		w.add("/slug", "required", "must be given")
	case strings.Trim(slug, "0123456789_-") == "":
		w.add("/slug", "format", "must have at least one letter: digits alone are an id")
	default:
		w.add("/slug", "format", fmt.Sprintf("must be at most %d of a-z, 0-9, _ and -, a letter or a digit first", maxSlug))
	}
}

// unprocessable is the error for values that are wrong, nil if there are none.
func (w wrongs) unprocessable(what string) error {
	if len(w) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Unprocessable, Code: "cron_invalid", Detail: "some settings of " + what + " are not what they must be", Fields: w}
}

// Check tells what is wrong with the slug and the settings of a cron to be, each
// value with the member of the HTTP interface that holds it.
func Check(slug string, s Settings) []fault.Field {
	var w wrongs
	w.slug(slug)
	return append(w, s.complete(slug)...)
}
