package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Each line is a cron's life: what ended, in turn, and the events of each end.
func TestWhatEndsTell(t *testing.T) {
	for name, tc := range map[string]struct {
		cron Cron
		// s success, f failed, t timed out, c cancelled, l a late failure of what had timed
		// out; cut off: 1 at the first attempt, 2 at the second, k with its command
		ended string
		told  string // events of each, "-" for none
	}{
		"all is well":              {Cron{}, "s s c s", "- - - -"},
		"a failure and its end":    {Cron{}, "s f f s", "- failing - recovered(failing)"},
		"only three in a row":      {Cron{Settings: Settings{FailAfter: 3}}, "f f s f f f f s", "- - - - - failing - recovered(failing)"},
		"back after two":           {Cron{Settings: Settings{RecoverAfter: 2}}, "f s f s s", "failing - - - recovered(failing)"},
		"cancelled counts nowhere": {Cron{Settings: Settings{FailAfter: 2, RecoverAfter: 2}}, "f c f s c s", "- - failing - - recovered(failing)"},
		"overdue":                  {Cron{}, "t s", "overdue recovered(overdue)"},
		"overdue as the third":     {Cron{Settings: Settings{FailAfter: 3}}, "f f t s", "- - overdue+failing recovered(overdue)+recovered(failing)"},
		"overdue, then heard of":   {Cron{}, "t l s", "overdue recovered(overdue)+failing recovered(failing)"},
		"two overdue, both heard":  {Cron{Settings: Settings{FailAfter: 3}}, "t t l l f", "overdue overdue recovered(overdue) - failing"},
		"silent, then heard of":    {Cron{Settings: Settings{FailAfter: 2, EachFailure: true}}, "i j f", "failed - failing"},
		"each":                     {Cron{Settings: Settings{EachFailure: true, EachSuccess: true}}, "s f f s", "succeeded failing failed recovered(failing)+succeeded"},
		"a job cut off":            {Cron{}, "1 s", "failing recovered(failing)"},
		"a sync cut off":           {Cron{Kind: Sync}, "1 s f s", "- - failing recovered(failing)"},
		"and failing then":         {Cron{Kind: Sync, Settings: Settings{EachFailure: true}}, "1 f f 1 s", "- failing failed - recovered(failing)"},
		"cut off twice":            {Cron{Kind: Sync}, "1 2 s", "- failing recovered(failing)"},
		"a command cut off":        {Cron{Kind: Sync}, "k s", "failing recovered(failing)"},
	} {
		t.Run(name, func(t *testing.T) {
			c := tc.cron
			c.FailAfter, c.RecoverAfter = max(c.FailAfter, 1), max(c.RecoverAfter, 1)
			now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			var told []string
			for how := range strings.FieldsSeq(tc.ended) {
				now = now.Add(time.Minute)
				e := map[string]Execution{
					"s": {Status: Success}, "f": {Status: Failed}, "t": {Status: TimedOut, Overdue: true}, "c": {Status: Cancelled},
					"l": {Status: Failed, Overdue: true, ReportedAt: now, Reason: "reported"},
					"i": {Status: Failed, Reason: ReasonInterrupted}, "j": {Status: Failed, Reason: ReasonInterrupted, ReportedAt: now},
					"1": {Status: Failed, Reason: ReasonInterrupted, Attempt: 1, Trigger: Schedule}, "2": {Status: Failed, Reason: ReasonInterrupted, Attempt: 2, Trigger: Schedule},
					"k": {Status: Failed, Reason: ReasonInterrupted, Attempt: 1, Trigger: CLI},
				}[how]
				e.EndedAt = now
				var kinds []string
				for _, event := range c.settle(e, now) {
					kind := string(event.Kind)
					if event.Subject != "" {
						kind = fmt.Sprintf("%s(%s)", kind, event.Subject)
					}
					kinds = append(kinds, kind)
				}
				if kinds == nil {
					kinds = []string{"-"}
				}
				told = append(told, strings.Join(kinds, "+"))
			}
			if got := strings.Join(told, " "); got != tc.told {
				t.Errorf("\n got %s\nwant %s", got, tc.told)
			}
		})
	}
}

func TestWhichStartWasExpected(t *testing.T) {
	at := func(clock string) time.Time {
		v, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return v.AddDate(2026, 2, 0)
	}
	l := New(nil)
	for name, tc := range map[string]struct {
		schedule   string
		expected   string // before the start
		now        string
		tick, next string // "" for none
	}{
		"on time":                     {"0 * * * *", "10:00:00", "10:00:01", "10:00:00", "11:00:00"},
		"a moment early":              {"0 * * * *", "10:00:00", "09:59:30", "10:00:00", "11:00:00"},
		"by hand, long before":        {"0 * * * *", "10:00:00", "09:40:00", "", "10:00:00"},
		"frequent, early by a tenth":  {"* * * * *", "10:00:00", "09:59:55", "10:00:00", "10:01:00"},
		"frequent, early by too much": {"* * * * *", "10:00:00", "09:59:50", "", "10:00:00"},
		"hours late":                  {"0 * * * *", "10:00:00", "13:20:00", "10:00:00", "14:00:00"},
		"interval":                    {"every 10m", "10:00:00", "10:01:00", "10:00:00", "10:11:00"},
		"interval, early":             {"every 10m", "10:00:00", "09:59:30", "10:00:00", "10:09:30"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Cron{ExpectedAt: at(tc.expected), Settings: Settings{Schedule: tc.schedule, Zone: "UTC", Grace: time.Minute}}
			tick := l.standsFor(c, at(tc.now))
			if (tc.tick == "") != tick.IsZero() || tc.tick != "" && !tick.Equal(at(tc.tick)) {
				t.Errorf("it stands for %v, want %s", tick, tc.tick)
			}
			next, late := l.expect(c, tick, at(tc.now))
			if !next.Equal(at(tc.next)) || !late.Equal(next.Add(time.Minute)) {
				t.Errorf("the next is expected at %v and late after %v, want %s", next, late, tc.next)
			}
		})
	}
}
