package dashboard

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"ferryman/internal/audit"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

// alterCron does something to the cron that a form is about, and gives it as it
// was and as it is.
func (d *Dashboard) alterCron(r *request, do func(ctx context.Context, app int64, ref ledger.Ref) (ledger.Cron, error)) (was, is ledger.Cron, err error) {
	ref, err := cronAsked(r)
	if err == nil {
		was, err = d.o.Ledger.Cron(r.Context(), r.viewer.AppID, ref)
	}
	if err == nil {
		is, err = do(r.Context(), r.viewer.AppID, ref)
	}
	return was, is, err
}

// cronDone says what was done to a cron.
func cronDone(c *ledger.Cron, say, detail string) done {
	return done{say: visible(c.Name) + " " + say, target: audit.Cron(c.ID, c.App, c.Slug), detail: detail}
}

func cronPath(id int64, action string) string { return fmt.Sprintf("%scrons/%d/%s", Root, id, action) }

func (d *Dashboard) pauseCron(r *request) (done, error) {
	until, err := putOffUntil(r.form, r.now, r.zone)
	if err != nil {
		return d.refusedPause(r, err)
	}
	was, is, err := d.alterCron(r, func(ctx context.Context, app int64, ref ledger.Ref) (ledger.Cron, error) {
		return d.o.Ledger.Pause(ctx, app, ref, until)
	})
	if err != nil {
		return d.refusedPause(r, err)
	}
	text, detail := "is switched off until somebody resumes it.", "until resumed"
	if !until.IsZero() {
		text, detail = "is paused until "+r.at(until)+".", "until "+until.UTC().Format(time.RFC3339)
	}
	if !until.IsZero() && !is.Active {
		text = "stays switched off until somebody resumes it, also after " + r.at(until) + "."
	}
	did := cronDone(&is, text, detail)
	did.undo = standAgain(&was, r.now)
	return did, nil
}

// refusedPause gives the page of the cron with the time as it was filled in: nobody
// fills one in who presses another button.
func (d *Dashboard) refusedPause(r *request, err error) (done, error) {
	if r.form.Get("for") != "date" {
		return done{}, err
	}
	v, show := d.cronView(r.asOn(Root+"crons/"+r.PathValue("id")), typed{r.form})
	return refusedWith("crons", v, show, err)
}

func (d *Dashboard) resumeCron(r *request) (done, error) {
	was, is, err := d.alterCron(r, d.o.Ledger.Resume)
	if err != nil {
		return done{}, err
	}
	did := cronDone(&is, "goes on.", "")
	did.undo = standAgain(&was, r.now)
	return did, nil
}

// standAgain is the form that brings back whether a cron starts.
func standAgain(was *ledger.Cron, now time.Time) *undo {
	switch {
	case !was.Active:
		return &undo{Path: cronPath(was.ID, "pause"), Fields: map[string]string{"for": "resumed"}}
	case was.PausedUntil.After(now):
		return &undo{Path: cronPath(was.ID, "pause"), Fields: dated(was.PausedUntil)}
	}
	return &undo{Path: cronPath(was.ID, "resume")}
}

// dated are the fields of a form that puts something off until an exact time.
func dated(until time.Time) map[string]string {
	return map[string]string{"for": "date", "until": until.UTC().Format(time.RFC3339Nano)}
}

func (d *Dashboard) muteCron(r *request) (done, error)   { return d.setMuted(r, true) }
func (d *Dashboard) unmuteCron(r *request) (done, error) { return d.setMuted(r, false) }

func (d *Dashboard) setMuted(r *request, muted bool) (done, error) {
	_, is, err := d.alterCron(r, func(ctx context.Context, app int64, ref ledger.Ref) (ledger.Cron, error) {
		return d.o.Ledger.Change(ctx, app, ref, func(_ *string, s *ledger.Settings) { s.Muted = muted })
	})
	if err != nil {
		return done{}, err
	}
	text, back := "is muted: its troubles are recorded and nobody is told.", "unmute"
	if !muted {
		text, back = "is no longer muted.", "mute"
	}
	did := cronDone(&is, text, "")
	did.undo = &undo{Path: cronPath(is.ID, back)}
	return did, nil
}

// snoozeCron keeps alerts back for a while; for an empty time it ends that.
func (d *Dashboard) snoozeCron(r *request) (done, error) {
	var until time.Time
	if r.form.Get("for") != "none" {
		var err error
		if until, err = putOffUntil(r.form, r.now, r.zone); err != nil {
			return done{}, err
		}
		if until.IsZero() {
			return done{}, &fault.Error{Kind: fault.Invalid, Code: "for_invalid", Detail: "alerts are snoozed until a time", Hint: "mute the cron to keep them back for good"}
		}
	}
	was, is, err := d.alterCron(r, func(ctx context.Context, app int64, ref ledger.Ref) (ledger.Cron, error) {
		return d.o.Ledger.Snooze(ctx, app, ref, until)
	})
	if err != nil {
		return done{}, err
	}
	text, detail := "is no longer snoozed.", "ended"
	if !until.IsZero() {
		text, detail = "is snoozed: nobody is told of its troubles until "+r.at(until)+".", "until "+until.UTC().Format(time.RFC3339)
	}
	did := cronDone(&is, text, detail)
	did.undo = &undo{Path: cronPath(is.ID, "snooze"), Fields: map[string]string{"for": "none"}}
	if was.SnoozedUntil.After(r.now) {
		did.undo.Fields = dated(was.SnoozedUntil)
	}
	return did, nil
}

func (d *Dashboard) releaseCron(r *request) (done, error) {
	var released int
	was, is, err := d.alterCron(r, func(ctx context.Context, app int64, ref ledger.Ref) (c ledger.Cron, err error) {
		if released, err = d.o.Ledger.ReleaseAll(ctx, app, ref, "released in the dashboard by "+r.viewer.Name()); err != nil {
			return c, err
		}
		return d.o.Ledger.Cron(ctx, app, ref)
	})
	if err != nil {
		var part done
		if released > 0 {
			part = cronDone(&was, "", runsReleased(released))
			part.partly = true
		}
		return part, err
	}
	text := fmt.Sprintf("has its places back: %d runs were released.", released)
	switch released {
	case 0:
		text = "has no run to release any more."
	case 1:
		text = "has its place back: one run was released."
	}
	return cronDone(&is, text, runsReleased(released)), nil
}

// runsReleased is what the record has of runs that were released.
func runsReleased(n int) string { return fmt.Sprintf("%d runs", n) }

// runCron asks for a run of one of Ferryman's own syncs. What applications run they
// start themselves.
func (d *Dashboard) runCron(r *request) (done, error) {
	ref, err := cronAsked(r)
	if err != nil {
		return done{}, err
	}
	c, err := d.o.Ledger.Cron(r.Context(), r.viewer.AppID, ref)
	if err != nil {
		return done{}, err
	}
	return d.cast(r.Context(), &c)
}

// cast asks for a run of a sync and goes on.
func (d *Dashboard) cast(ctx context.Context, c *ledger.Cron) (done, error) {
	switch {
	case c.Kind != ledger.Sync:
		return done{}, &fault.Error{Kind: fault.Conflict, Code: "not_a_sync", Detail: "this cron is none that Ferryman runs itself", Hint: "its application starts it"}
	case d.o.Syncs == nil:
		return done{}, errElsewhere
	}
	if err := d.o.Syncs.Cast(ctx, c.Slug); err != nil {
		return done{}, err
	}
	return cronDone(c, "was asked to run.", ""), nil
}

func (d *Dashboard) deleteCron(r *request) (done, error) {
	_, is, err := d.alterCron(r, d.o.Ledger.Delete)
	if err != nil {
		return done{}, err
	}
	did := cronDone(&is, "was deleted.", "")
	did.next = Root + "crons"
	if r.viewer.Operator() {
		did.next += "?" + url.Values{"app": {is.App}}.Encode()
	}
	return did, nil
}
