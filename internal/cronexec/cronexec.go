// Package cronexec runs a cron's command and reports the run to a Ferryman
// server.
//
// The command comes first. If the server cannot be reached, answers with an
// error, or is not even known, the command runs all the same, unless the caller
// wants otherwise; only a server that says that the cron must not start now is
// obeyed. What is asked of the server before the command starts takes some fifteen
// seconds at worst, ten more where a refusal turns into leave, and nothing that happens to the reporting shows in
// the command's exit code.
//
// The command has the standard input as it is, and stays in its process group.
// Its output passes through as it comes, and the last of it is sent with the
// report. Reports that cannot be delivered are kept in a folder, and sent by the
// next run that finds the server there again, with the times at which things
// happened. While the command runs the server is told that it lives, if it wants
// to know.
package cronexec

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/term"

	"ferryman/internal/fault"
)

// What Run gives if the command did not come to an exit code of its own, as
// env(1), timeout(1) and sysexits.h have it. A command that signal n ended counts
// as 128+n.
const (
	ExitTemporary     = 75  // not run, for want of the server's word
	ExitNotExecutable = 126 // found, and not to be run
	ExitNotFound      = 127
)

// Options tell what to run and whom to tell.
type Options struct {
	Slug    string   // or id of the cron
	Command []string // name and arguments, at least one
	Environ []string // of the command, as os.Environ gives it; two variables are added

	Stdin, Stdout, Stderr *os.File // of the command; Run's own lines go to Stderr

	URL      string      // of the server
	TLS      *tls.Config // how it is known; nil: by the authorities of the system
	Key      string      // of the cron's application
	Settings error       // what is wrong with the settings; nil if nothing is
	SpoolDir string      // for reports that cannot be delivered; "" loses them
	Version  string      // for the User-Agent
	// Tracer is told of the run, below the TRACEPARENT of Environ if there is one; the
	// command then has a TRACEPARENT below the run's. nil: nothing is traced.
	Tracer trace.Tracer

	RefusedExit     int  // the exit code if the server refuses the start
	FailUnreachable bool // without an answer to the start do not run, and give ExitTemporary
	Stream          bool // send lines of output while the command runs
	Verbose         bool // tell also what went well

	callTimeout time.Duration // 0 is 5 s; tests have their own
}

// Run asks the server for the start, runs the command, reports its end, and gives
// the exit code. Meanwhile it takes SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1,
// SIGUSR2 and SIGWINCH, which must not be taken by others, and hands them to the
// command. Before the command the first four call it off, after it they leave a
// second for the reporting. When ctx ends that ends too; the command goes on.
func Run(ctx context.Context, o Options) int {
	if o.callTimeout == 0 {
		o.callTimeout = 5 * time.Second
	}
	ctx, t := o.beginSpan(ctx)
	code := o.run(ctx)
	endSpan(t, code)
	return code
}

func (o Options) run(ctx context.Context) int {
	r := &run{Options: o, signals: catch(), spool: spool{o.SpoolDir}}
	defer r.signals.release()
	r.report = report{Key: fingerprint(o.Key), Slug: o.Slug, RID: newRID()}
	r.server, r.startErr = newServer(o)
	if r.startErr == nil {
		defer r.server.close()
		r.report.URL = r.server.base.String()
		if cutBy := r.start(ctx); cutBy != nil {
			return r.interrupted(ctx, cutBy)
		}
	}
	if o.Settings != nil && r.server != nil { // else it is told as the cause
		r.say("%v", o.Settings)
	}
	switch err := r.startErr; {
	case err == nil:
		r.tell("execution %d of %s has started", r.report.Execution, o.Slug)
	case refused(err):
		said := r.tell // a cron would mail it each time
		if term.IsTerminal(int(o.Stderr.Fd())) {
			said = r.say
		}
		said("%s is not run, for the server refuses: %v", o.Slug, err)
		return o.RefusedExit
	case o.FailUnreachable:
		r.say("%s is not run, for the server gave no leave: %s", o.Slug, r.cause(err))
		r.notRun(ctx, ExitTemporary, "not run, for the server gave no leave: "+err.Error())
		return ExitTemporary
	default:
		r.say("%s runs unguarded: %s", o.Slug, r.cause(err))
	}
	return r.command(ctx)
}

// run is one call of Run.
type run struct {
	Options
	signals  *signals
	server   *server // nil if the settings lead to none
	spool    spool
	report   report
	startErr error // why there is no execution

	heartbeat time.Duration // of the execution; 0 for none
}

// What the server is given.
const (
	callTries    = 3               // for the start, and for the end
	flushTimeout = 5 * time.Second // reports of earlier runs, when something waits for them
	lastGrace    = time.Second     // of the reporting, once a signal asks to end

	// Jobs of several applications may share a spool: for so long the reports of the
	// others are theirs to send.
	othersPatience = time.Hour
)

// start asks for the start. If it is refused because another execution runs, the
// report of that one's end may be waiting here: then it is sent, and the start
// asked for once more. It gives the signal that cut it off, if one did.
func (r *run) start(ctx context.Context) os.Signal {
	ctx, done := r.signals.cutOff(ctx, 0)
	ask := func(tries int) {
		r.startErr = retry(ctx, tries, func(ctx context.Context) error {
			begun, err := r.server.start(ctx, r.Slug, r.report.RID, time.Time{})
			r.report.Execution, r.heartbeat = begun.id, begun.heartbeat
			return err
		})
	}
	ask(callTries)
	if refused(r.startErr) {
		bounded, cancel := context.WithTimeout(ctx, flushTimeout)
		f := r.spool.flush(bounded, r.server, r.report.Key, false)
		cancel()
		r.flushed(f)
		if f.sent > 0 && fault.KindOf(r.startErr) == fault.Conflict {
			r.report.RID = newRID()
			ask(1)
		}
	}
	return done()
}

// refused tells whether the server is there and says no.
func refused(err error) bool {
	kind := fault.KindOf(err)
	return err != nil && (kind == fault.Inactive || kind == fault.Conflict)
}

// interrupted ends a run that a signal stopped before its command began.
func (r *run) interrupted(ctx context.Context, s os.Signal) int {
	code := 128
	if n, ok := s.(syscall.Signal); ok {
		code += int(n)
	}
	r.notRun(ctx, code, fmt.Sprintf("not run, for a signal came first: %v", s))
	return code
}

// notRun reports that there was no run, where the server may believe in one.
func (r *run) notRun(ctx context.Context, code int, why string) {
	r.report.EndedAt = time.Now().UTC()
	r.report.StartedAt = r.report.EndedAt
	r.report.End = end{Message: why, Type: "error", ExitCode: code}
	switch {
	case r.report.Execution != 0:
		ctx, done := r.reporting(ctx, nil)
		defer done()
		r.send(ctx)
	case r.mayHaveStarted():
		r.keep(r.startErr)
	}
}

// mayHaveStarted tells whether the server took, or would have taken, the start.
func (r *run) mayHaveStarted() bool {
	return r.server != nil && (r.startErr == nil || fault.Temporary(r.startErr))
}

// command runs the command and reports its end.
func (r *run) command(ctx context.Context) int {
	// Reports of earlier runs have their turn while the command runs, so that it does
	// not wait for them.
	var earlier *flusher
	if r.server != nil && r.startErr == nil {
		earlier = startFlusher(ctx, r.spool, r.server, r.report.Key)
	}
	stopBeat := r.beat(ctx)
	out := r.newOutput(ctx)
	result := r.runChild(out)
	// What ended the command may have been sent to all of its group, as timeout(1)
	// and service managers do: it must not take output or report along.
	passing, passed := r.signals.cutOff(ctx, lastGrace)
	r.finish(passing, out, result)
	stopBeat()
	ctx, done := r.reporting(ctx, passed())
	defer done()
	sent := r.mayHaveStarted() && r.send(ctx)
	if earlier == nil {
		return result.code
	}
	if sent {
		earlier.wait(ctx)
	}
	r.flushed(earlier.stop())
	return result.code
}

// reporting gives a context that ends a second after a signal asks to end. cutBy
// is one that came before; nil if none did.
func (r *run) reporting(ctx context.Context, cutBy os.Signal) (_ context.Context, done func()) {
	if cutBy != nil {
		return context.WithTimeout(ctx, lastGrace)
	}
	ctx, signaled := r.signals.cutOff(ctx, lastGrace)
	return ctx, func() { signaled() }
}

// finish fills the report of a command that has ended.
func (r *run) finish(ctx context.Context, out *output, result result) {
	r.report.EndedAt = result.ended.UTC()
	r.report.StartedAt = r.report.EndedAt.Add(-result.took)
	dropped, lost := out.finish(ctx, result.ended)
	if result.err != nil {
		r.say("%v", result.err)
		r.report.End = result.end("ferryman: " + result.err.Error())
		return
	}
	r.report.End = result.end(out.tail.text())
	if lost != nil {
		r.say("some output of %s could not be passed on: %v", r.Slug, lost)
	}
	if dropped > 0 {
		r.say("%d lines of output of %s were not sent", dropped, r.Slug)
	}
}

// send delivers the report, or keeps it for later. It tells whether the server is
// there and took it.
func (r *run) send(ctx context.Context) bool {
	tries, late := callTries, r.startErr != nil
	if late {
		tries = 1 // the server did not answer before
	}
	err := retry(ctx, tries, func(ctx context.Context) error { return r.server.deliver(ctx, &r.report, late) })
	switch {
	case err == nil:
		r.tell("the end of execution %d of %s is reported", r.report.Execution, r.Slug)
	case fault.Temporary(err):
		r.keep(err)
	default:
		r.say("the end of %s is not reported: %s", r.Slug, r.cause(err))
	}
	return err == nil
}

// keep puts the report into the spool. Who was told that the start failed is not
// told as well that the end did.
func (r *run) keep(why error) {
	said := r.say
	if r.startErr != nil {
		said = r.tell
	}
	dropped, err := r.spool.add(r.report)
	switch {
	case err != nil:
		r.say("the end of %s is lost: %v, and it cannot be kept: %v", r.Slug, why, err)
	case dropped > 0:
		r.say("%d older reports made room in %s for that of %s", dropped, r.SpoolDir, r.Slug)
	default:
		said("the end of %s is kept in %s and sent by the next run: %s", r.Slug, r.SpoolDir, r.cause(why))
	}
}

func (r *run) flushed(f flushed) {
	if f.sent > 0 {
		r.tell("%d reports of earlier runs are sent", f.sent)
	}
	if f.discarded > 0 {
		r.say("%d reports of earlier runs are thrown away: %s", f.discarded, r.cause(f.why))
	}
	if f.others > 0 {
		said := r.tell
		if time.Since(f.oldest) > othersPatience && r.spool.mayTell(time.Now()) {
			said = r.say
		}
		said("%d reports of earlier runs wait in %s for another key or FERRYMAN_URL, the oldest since %s: see ferryman cron spool",
			f.others, r.SpoolDir, f.oldest.UTC().Format(time.RFC3339))
	}
}

// say tells something that a person should know, as one line. If nobody reads,
// nobody is told.
func (r *run) say(format string, args ...any) {
	if !awaitRoom(r.Stderr, lastGrace) {
		return
	}
	line := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
	_, _ = fmt.Fprintf(r.Stderr, "ferryman: %s\n", line)
}

// tell says something that only those want to know who asked for it.
func (r *run) tell(format string, args ...any) {
	if r.Verbose {
		r.say(format, args...)
	}
}

// newRID makes a random UUID. With it a start counts once, however often it is
// sent.
func newRID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
