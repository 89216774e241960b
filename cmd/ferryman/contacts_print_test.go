package main

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"ferryman/internal/app"
	"ferryman/internal/config"
	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/syncs"
)

func TestHumanBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1234: "1.2 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 5e12: "5.0 TB", 1<<63 - 1: "9.2 EB",
	} {
		if got := humanBytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestSummary(t *testing.T) {
	begun := time.Unix(1000, 0)
	run := syncs.Run{StartedAt: begun, EndedAt: begun.Add(1500 * time.Millisecond), Report: pipeline.Report{Tables: []pipeline.TableCount{
		{Table: "contacts", Inserted: 1, Updated: 2, Unchanged: 3, Deleted: 4, Rejected: 5, Bytes: 6000, Micros: 7000}, {Table: "a"},
	}}}
	p := app.ContactsProgress{Pages: 8, Fetched: 9, Bytes: 10_000, Retries: 11}
	for want, r := range map[string]app.ContactsRun{
		"done in 1.5s; 8 pages and 9 contacts read, 10.0 kB, 11 calls repeated\n": {},
		"nothing written, 7 rows would change, in 1.5s;":                          {DryRun: true},
		"7 rows differ, checked in 1.5s;":                                         {Verify: true},
		"7 rows made right in 1.5s;":                                              {Verify: true, Repair: true},
	} {
		var w bytes.Buffer
		if err := printSummary(&w, r, run, p); err != nil || !strings.Contains(w.String(), want) {
			t.Errorf("%v, got\n%s", err, w.String())
		}
		if want := " contacts  1 2 3 4 5 6.0 kB 7ms"; strings.Join(strings.Fields(w.String()), " ") == "" || !strings.Contains(squeezed(w.String()), squeezed(want)) {
			t.Errorf("no line of contacts in\n%s", w.String())
		}
	}
	p.Sent, p.Backlog, p.Dead = 1, 2, 3
	var w bytes.Buffer
	if err := printSummary(&w, app.ContactsRun{}, syncs.Run{}, p); err != nil || !strings.HasSuffix(w.String(), "; 1 posts sent, 2 waiting, 3 dead letters\n") || strings.Contains(w.String(), "TABLE") {
		t.Errorf("%v, got\n%s", err, w.String())
	}
}

// What was called off is no failure.
func TestCycleThatDidNotEndWell(t *testing.T) {
	for reason, want := range map[string]string{
		"canceled": "c: sync stopped after 2s: called off\n", "timeout": "c: sync failed after 2s: called off\n",
	} {
		var out, failures bytes.Buffer
		call := contactsCall{run: app.ContactsRun{Campaign: config.Campaign{Name: "c"}}, out: &out, failures: &failures}
		run := syncs.Run{StartedAt: time.Unix(1, 0), EndedAt: time.Unix(3, 0), Reason: reason, Detail: "called off"}
		if err := call.print(run, app.ContactsProgress{}); err != nil || failures.String() != want || out.Len() > 0 {
			t.Errorf("%s: %v, tells %q and %q", reason, err, failures.String(), out.String())
		}
	}
}

func squeezed(text string) string { return strings.Join(strings.Fields(text), " ") }

// A line tells of all that was not told yet, at most one a minute.
func TestDigest(t *testing.T) {
	d := newDigest("c")
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	cycle := func(inserted, rejected int64) syncs.Run {
		return syncs.Run{Report: pipeline.Report{Tables: []pipeline.TableCount{{Inserted: inserted, Rejected: rejected}, {Deleted: inserted}}}}
	}
	for i, step := range []struct {
		after time.Duration
		run   syncs.Run
		p     app.ContactsProgress
		want  string
	}{
		{0, cycle(0, 0), app.ContactsProgress{}, ""},
		{time.Second, cycle(2, 0), app.ContactsProgress{}, "2024-05-06T07:08:10Z c: 2 inserted, 0 updated, 2 deleted, 0 dead letters"},
		{time.Second, cycle(1, 0), app.ContactsProgress{}, ""},
		{time.Minute, cycle(3, 1), app.ContactsProgress{}, "2024-05-06T07:09:11Z c: 4 inserted, 0 updated, 4 deleted, 1 dead letters"},
		{time.Hour, cycle(0, 0), app.ContactsProgress{}, ""},
		{time.Second, cycle(0, 0), app.ContactsProgress{Sent: 5, Backlog: 2}, "2024-05-06T08:09:12Z c: 0 inserted, 0 updated, 0 deleted, 0 dead letters; 5 posts sent, 2 waiting"},
		{time.Hour, cycle(0, 0), app.ContactsProgress{Backlog: 2}, ""},
		{time.Hour, cycle(0, 0), app.ContactsProgress{Sent: 1, Dead: 1}, "2024-05-06T10:09:12Z c: 0 inserted, 0 updated, 0 deleted, 1 dead letters; 1 posts sent, 0 waiting"},
		{time.Second, cycle(7, 0), app.ContactsProgress{}, ""},
	} {
		now = now.Add(step.after)
		d.add(step.run, step.p)
		if got := d.due(now); got != step.want {
			t.Errorf("step %d: got %q, want %q", i, got, step.want)
		}
	}
	if got, want := d.rest(now), "2024-05-06T10:09:13Z c: 7 inserted, 0 updated, 7 deleted, 0 dead letters"; got != want {
		t.Errorf("at the end: got %q, want %q", got, want)
	}
	if got := d.rest(now); got != "" {
		t.Errorf("told twice: %q", got)
	}
}

func TestProgressLine(t *testing.T) {
	for want, p := range map[string]app.ContactsProgress{
		"syncing: 0 pages, 0 contacts, 0 rows/s":                    {},
		"syncing: 0 pages, 0 contacts, 0 rows/s, 1 sent, 0 waiting": {Phase: idlePhase, Sent: 1},
		"contacts: 2 pages, 40 contacts, 50 rows/s, 1m5s behind, 3 calls repeated, 25 %, about 30s left": {
			Phase: "contacts", Pages: 2, Fetched: 30, Skipped: 10, Total: 160, Behind: 65*time.Second + time.Millisecond, Retries: 3,
			Report: pipeline.Report{Tables: []pipeline.TableCount{{Read: 500}}},
		},
		"events: 0 pages, 20 contacts, 0 rows/s, 4 sent, 5 waiting, 100 %, about 0s left": {Phase: "events", Fetched: 20, Total: 10, Sent: 4, Backlog: 5},
	} {
		if got := progressLine(p, 10*time.Second); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Elsewhere than on a terminal progress costs no line unless a cycle takes long.
func TestContactsProgress(t *testing.T) {
	var w bytes.Buffer
	p := newContactsProgress(&w, false)
	late := func(c app.ContactsProgress) {
		p.told = p.told.Add(-contactsTellEvery)
		p.observe(c)
	}
	p.observe(app.ContactsProgress{Pages: 1})
	late(app.ContactsProgress{Pages: 2})
	p.observe(app.ContactsProgress{Pages: 3})
	p.waiting()
	late(app.ContactsProgress{Phase: idlePhase, Pages: 3, Backlog: 9}) // the posts of a single cycle are waited for
	if did := p.next(); did.Pages != 3 {
		t.Errorf("the first cycle did %+v", did)
	}
	late(app.ContactsProgress{Phase: idlePhase, Pages: 4, Backlog: 9})
	late(app.ContactsProgress{Phase: "events", Pages: 5, Fetched: 6, Skipped: 7, Listed: 8, Calls: 9, Retries: 10, Bytes: 11, Sent: 12, Dead: 13, Backlog: 14})
	p.done()
	want := []string{"syncing: 2 pages", "waiting for another run", "syncing: 3 pages", "events: 2 pages, 13 contacts"}
	lines := strings.Split(strings.TrimSpace(w.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %q", lines)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d: got %s, want %s", i, line, want[i])
		}
	}
	if did := p.latest(); did.Pages != 2 {
		t.Errorf("the second cycle did %+v", did)
	}
	p.next()
	if did := p.next(); !reflect.DeepEqual(did, app.ContactsProgress{Phase: "events", Backlog: 14}) {
		t.Errorf("a cycle without any work did %+v", did)
	}
}

func TestContactsProgressThatIsSilent(t *testing.T) {
	var w bytes.Buffer
	p := newContactsProgress(&w, true)
	p.told = p.told.Add(-contactsTellEvery)
	p.observe(app.ContactsProgress{Pages: 1})
	p.waiting()
	did := p.next()
	p.done()
	if w.Len() > 0 || did.Pages != 1 {
		t.Errorf("silence says %q, having seen %+v", w.String(), did)
	}
}

func TestContactsExitCodes(t *testing.T) {
	refusal := &fault.Error{Kind: fault.Forbidden, Detail: "no"}
	for _, tt := range []struct {
		err  error
		code int
	}{
		{refused(refusal), exitUpstream},
		{refused(&fault.Error{Kind: fault.Unconfigured}), exitUsage},
		{refused(errors.New("disk full")), exitFailed},
	} {
		var w bytes.Buffer
		if got := finishAs("dbsync", &w, tt.err, nil); got != tt.code {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.code)
		}
	}
	for reason, want := range map[string]bool{"forbidden": true, "unauthorized": true, "unavailable": false, "": false} {
		if got := lasting(syncs.Run{Reason: reason, EndedAt: time.Unix(1, 0)}); got != want {
			t.Errorf("a run that ended with %q: %v", reason, got)
		}
	}
	var w bytes.Buffer
	if finishAs("dbsync", &w, usageError{nil, errors.New("no")}, nil); w.String() != "dbsync: no\nSee 'dbsync --help'.\n" {
		t.Errorf("says %q", w.String())
	}
}
