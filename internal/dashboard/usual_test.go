package dashboard

import (
	"fmt"
	"testing"
	"time"

	"ferryman/internal/ledger"
)

// What is usual is the same wherever it is said: that of the runs that ended well,
// from three on.
func TestUsualIsOneThing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "nightly")
	s.ends(s.begin(c), ledger.Report{Type: ledger.Error, Took: time.Hour})
	for range usualFrom - 1 {
		s.ends(s.begin(c), ledger.Report{Success: true, Type: ledger.Succeeded, Took: 4 * time.Minute})
	}
	s.shows(s.page(cronAddress(c)), "not known before three ended well")
	s.ends(s.begin(c), ledger.Report{Success: true, Type: ledger.Succeeded, Took: 8 * time.Minute})
	last := s.begin(c)
	s.shows(s.page(Root), "usually 4 m")
	s.shows(s.page(cronAddress(c)), "4 m, 95 of 100 at most 8 m", "It usually takes 4 m.", "usual 4 m")
	s.ends(last, ledger.Report{Success: true, Type: ledger.Succeeded, Took: 16 * time.Minute})
	run := s.page(fmt.Sprintf("%sruns/%d", Root, last.ID))
	s.shows(run, "after 16 m, 4.0× the usual", "<dt>Usual duration</dt><dd>4 m</dd>")
	s.shows(s.page(cronAddress(c)), "took 16 m, 4.0× the usual")
}

func TestAgainstTheUsual(t *testing.T) {
	t.Parallel()
	u := usual{Median: time.Minute}
	for d, want := range map[time.Duration]string{
		time.Minute: "as usual", 66 * time.Second: "as usual", 70 * time.Second: "1.2× the usual", 30 * time.Second: "0.50× the usual",
	} {
		if got := u.Against(d); got != want {
			t.Errorf("%v is %q, and not %q", d, got, want)
		}
	}
	if got := (usual{}).Against(time.Minute); got != "" {
		t.Errorf("against nothing it is %q", got)
	}
	if got := [...]int{u.Part(30 * time.Second), u.Part(time.Hour), usual{}.Part(time.Hour)}; got != [...]int{50, 100, 0} {
		t.Errorf("the parts are %v", got)
	}
}

// The rate of the first page is that of crons: what people cancelled is no part of it.
func TestRateOfTheDayIsThatOfCrons(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "job")
	for _, status := range []ledger.Status{ledger.Success, ledger.Cancelled} {
		s.did(c, status, time.Hour, time.Minute)
	}
	s.shows(s.page(Root), `<span class="figure">100 %</span> <span class="label">ended well`)
}

// Of a start that did not come people want to know when it should have.
func TestMissedRunsStandWhereTheyWereExpected(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "job")
	id := s.did(c, ledger.Missed, 2*time.Hour, 0)
	e, err := s.ledger.Listed(t.Context(), 0, id)
	if err != nil {
		t.Fatal(err)
	}
	s.write("UPDATE executions SET scheduled_for = started_at - 60000000 WHERE id = $1", id)
	at := e.StartedAt.Add(-time.Minute).UTC().Format("2006-01-02T15:04:05.000Z07:00")
	for _, path := range []string{Root + "runs", cronAddress(c)} {
		s.shows(s.page(path), `expected <time datetime="`+at)
	}
	s.shows(s.page(fmt.Sprintf("%sruns/%d", Root, id)), "<dt>Noticed</dt>", `<dt>Expected</dt><dd><time datetime="`+at)
}
