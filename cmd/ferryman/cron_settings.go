package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/ledger"
)

const aboutSettings = `With --schedule, starts are expected: "every 10m" counts from one start to the next,
and a cron expression such as "*/5 8-18 * * MON-FRI" goes by the clock in --timezone.
One that does not come within --grace is missed. Durations are written as 90s, 5m,
1h30m, 7d; 0 is none.`

// cronSettings are the flags for what people decide about a cron.
type cronSettings struct {
	s                                     ledger.Settings
	overlap                               string
	grace, maxRuntime, heartbeat, keepFor span
}

func (f *cronSettings) add(c *cobra.Command) {
	d := ledger.DefaultSettings()
	f.grace = span(d.Grace)
	flags := c.Flags()
	flags.StringVar(&f.s.Name, "name", "", "what people call it (default the slug)")
	flags.StringVar(&f.s.Schedule, "schedule", "", "when starts are expected; empty for never")
	flags.StringVar(&f.s.Zone, "timezone", d.Zone, "time zone of the schedule, such as Europe/Berlin")
	flags.Var(&f.grace, "grace", "how late a start may be")
	flags.Var(&f.maxRuntime, "max-runtime", "how long an execution may run before it is overdue (default no limit)")
	flags.Int64Var(&f.s.MaxRunning, "max-running", 0, "how many may run at a time; 0 for no limit")
	flags.StringVar(&f.overlap, "overlap", string(d.Overlap), "a start that finds its places taken: allow (refused only over --max-running), forbid, replace")
	flags.Var(&f.heartbeat, "heartbeat", "how long an execution may send no message before it counts as dead (default for ever)")
	flags.Int64Var(&f.s.FailAfter, "fail-after", d.FailAfter, "failures in a row that make it failing")
	flags.Int64Var(&f.s.RecoverAfter, "recover-after", d.RecoverAfter, "successes in a row that end that")
	flags.BoolVar(&f.s.EachFailure, "each-failure", false, "tell of every failure")
	flags.BoolVar(&f.s.EachSuccess, "each-success", false, "tell of every success")
	flags.BoolVar(&f.s.Muted, "muted", false, "record troubles and tell nobody")
	flags.Int64Var(&f.s.KeepRuns, "keep-runs", d.KeepRuns, "how many ended executions are kept")
	flags.Var(&f.keepFor, "keep-for", "how long they are kept (default their age does not matter)")
	_ = c.RegisterFlagCompletionFunc("overlap", cobra.FixedCompletions( // the flag is there
		[]string{string(ledger.Allow), string(ledger.Forbid), string(ledger.Replace)}, cobra.ShellCompDirectiveNoFileComp))
}

// apply changes the settings whose flags were given.
func (f *cronSettings) apply(cmd *cobra.Command, s *ledger.Settings) {
	for name, set := range map[string]func(){
		"name": func() { s.Name = f.s.Name }, "schedule": func() { s.Schedule = f.s.Schedule }, "timezone": func() { s.Zone = f.s.Zone },
		"grace": func() { s.Grace = time.Duration(f.grace) }, "max-runtime": func() { s.MaxRuntime = time.Duration(f.maxRuntime) },
		"max-running": func() { s.MaxRunning = f.s.MaxRunning }, "overlap": func() { s.Overlap = ledger.Overlap(f.overlap) },
		"heartbeat":  func() { s.Heartbeat = time.Duration(f.heartbeat) },
		"fail-after": func() { s.FailAfter = f.s.FailAfter }, "recover-after": func() { s.RecoverAfter = f.s.RecoverAfter },
		"each-failure": func() { s.EachFailure = f.s.EachFailure }, "each-success": func() { s.EachSuccess = f.s.EachSuccess },
		"muted": func() { s.Muted = f.s.Muted }, "keep-runs": func() { s.KeepRuns = f.s.KeepRuns },
		"keep-for": func() { s.KeepFor = time.Duration(f.keepFor) },
	} {
		if cmd.Flags().Changed(name) {
			set()
		}
	}
}

// warn warns of settings, if they were given now, by which an execution whose end nobody
// reports keeps all later ones from starting.
func (f *cronSettings) warn(cmd *cobra.Command, s ledger.Settings) {
	given := slices.ContainsFunc([]string{"overlap", "max-running", "max-runtime", "heartbeat"}, cmd.Flags().Changed)
	bounded := s.MaxRuntime > 0 || s.Heartbeat > 0
	refuses := s.Overlap == ledger.Forbid || s.Overlap == ledger.Allow && s.MaxRunning > 0
	if given && refuses && !bounded {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: a job that is killed before it reports its end blocks later ones until ferryman cron release; give --max-runtime, or --heartbeat for jobs under cron exec")
	}
}

// span is a flag for a duration that may be written in days and weeks, too.
type span time.Duration

// String implements pflag.Value. The zero span is shown as no default.
func (s *span) String() string {
	if *s == 0 {
		return ""
	}
	return time.Duration(*s).String()
}

// Type implements pflag.Value.
func (s *span) Type() string { return "duration" }

// Set implements pflag.Value.
func (s *span) Set(text string) error {
	d, err := parseSpan(text)
	*s = span(d)
	return err
}

// parseSpan reads a duration such as 90s, 1h30m or 7d.
func parseSpan(text string) (time.Duration, error) {
	var sum time.Duration
	rest := text
	for _, u := range []struct {
		name   string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		digits, after, found := strings.Cut(rest, u.name)
		if n, err := strconv.ParseUint(digits, 10, 13); found && err == nil { // 150 years of weeks: more does not fit
			sum, rest = sum+time.Duration(n)*u.length, after
		}
	}
	if rest == "" && sum > 0 {
		return sum, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || sum+d < 0 {
		return 0, fmt.Errorf("%q is no duration such as 90s, 5m, 1h30m or 7d", text)
	}
	return sum + d, nil
}

// moment reads a time, or how long it is until then.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if d, err := parseSpan(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("--" + flag + " is neither a time from now, such as 90m or 2d, nor a day such as 2027-01-31, " +
		"nor a moment such as 2027-01-31T18:00:00Z")
}
