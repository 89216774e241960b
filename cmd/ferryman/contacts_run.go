package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"ferryman/internal/app"
	"ferryman/internal/fault"
	"ferryman/internal/syncs"
)

// contactsCall is a contact sync as a command line asks for it.
type contactsCall struct {
	run    app.ContactsRun
	once   bool // one cycle, whatever the mode
	asJSON bool

	out      io.Writer // results
	progress io.Writer // how it goes on
	failures io.Writer // why a cycle failed
}

// do syncs and ends with the exit code that fits.
func (c contactsCall) do(ctx context.Context, o app.Options) error {
	p := newContactsProgress(c.progress, c.asJSON)
	c.run.Observe, c.run.Waiting = p.observe, p.waiting
	c.out, c.failures = p.above(c.out), p.above(c.failures)
	if c.run.Rows {
		c.run.Different = func(table, key, kind string, columns []string) {
			printDifference(c.out, c.asJSON, table, key, kind, columns)
		}
	}
	if c.once || c.run.DryRun || !c.run.Campaign.Repeats() {
		return c.single(ctx, o, p)
	}
	return c.follow(ctx, o, p)
}

// single runs one cycle and tells all about it.
func (c contactsCall) single(ctx context.Context, o app.Options, p *contactsProgress) error {
	run, err := app.SyncContacts(ctx, o, c.run)
	p.done()
	if err != nil && run.EndedAt.IsZero() {
		return refused(err)
	}
	// What was posted and what waits is also told where it could not be waited for.
	if err := errors.Join(err, c.print(run, p.latest())); err != nil {
		return refused(err)
	}
	switch code := exitOf(run); {
	case run.OK() && c.run.Verify && !c.run.Repair && changes(run.Report) > 0:
		return exitError(exitFailed)
	case code != exitOK:
		return exitError(code)
	case p.latest().Dead > 0: // posts, which are in no report
		return exitError(exitRejected)
	}
	return nil
}

// print tells how a cycle ended: one that did not end well, where failures are told.
func (c contactsCall) print(run syncs.Run, p app.ContactsProgress) error {
	switch {
	case c.asJSON:
		return printCycle(c.out, c.run, run, p)
	case !run.OK():
		how := "failed"
		if run.Reason == fault.Canceled.String() {
			how = "stopped"
		}
		_, err := fmt.Fprintf(c.failures, "%s: sync %s after %v: %s\n", c.run.Campaign.Name, how, took(run), run.Detail)
		return err
	default:
		return printSummary(c.out, c.run, run, p)
	}
}

// follow runs cycle after cycle until ctx ends, or the API refuses the token from the
// beginning.
func (c contactsCall) follow(ctx context.Context, o app.Options, p *contactsProgress) error {
	var last syncs.Run
	accepted := false
	told := newDigest(c.run.Campaign.Name)
	err := app.FollowContacts(ctx, o, c.run, func(run syncs.Run) error {
		last = run
		accepted = accepted || run.OK()
		did := p.next()
		told.add(run, did)
		if c.asJSON || !run.OK() {
			err := c.print(run, did)
			if !accepted && lasting(run) {
				err = errors.Join(err, exitError(exitOf(run)))
			}
			return err
		}
		return c.tell(told.due(time.Now()))
	})
	p.done()
	if !c.asJSON {
		err = errors.Join(err, c.tell(told.rest(time.Now())))
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return refused(err)
	case !last.OK():
		return exitError(exitOf(last))
	}
	return nil
}

// tell prints a line, if there is one.
func (c contactsCall) tell(line string) error {
	if line == "" {
		return nil
	}
	_, err := fmt.Fprintln(c.out, line)
	return err
}

// lasting tells whether the API refused the token. One that it took before may be
// renewed; anything else may be over by the next cycle.
func lasting(r syncs.Run) bool {
	return r.Reason == fault.Unauthorized.String() || r.Reason == fault.Forbidden.String()
}

// refused ends with the code of the upstream what failed for its sake.
func refused(err error) error {
	switch fault.KindOf(err) {
	case fault.Unauthorized, fault.Forbidden:
		return codedError{err, exitUpstream}
	}
	return err
}
