package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"ferryman/internal/config"
	"ferryman/internal/fault"
	"ferryman/internal/syncs"
)

const exitCodes = `Exit codes: 0 done; 1 wrong usage or settings; 2 the upstream API refused, failed
or could not be reached; 3 the target database did; 4 done, but some rows were
rejected; 5 any other failure; 6 the message is there already;
130 or 143 cut off by SIGINT or SIGTERM. A server that stops in order ends with 0.`

// The exit codes.
const (
	exitOK       = 0
	exitUsage    = 1
	exitUpstream = 2
	exitTarget   = 3
	exitRejected = 4
	exitFailed   = 5
)

// usageError is a mistake in how a command was called.
type usageError struct {
	cmd *cobra.Command // nil: the program itself
	err error
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// exitError ends the program with a code after everything has been said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// codedError has an exit code of its own.
type codedError struct {
	err  error
	code int
}

func (e codedError) Error() string { return e.err.Error() }
func (e codedError) Unwrap() error { return e.err }

// finish tells what went wrong and gives the exit code.
func finish(w io.Writer, err error, interrupted os.Signal) int {
	return finishAs("ferryman", w, err, interrupted)
}

// finishAs does so in the name of a program.
func finishAs(program string, w io.Writer, err error, interrupted os.Signal) int {
	var exit exitError
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case interrupted != nil && (fault.KindOf(err) == fault.Canceled || errors.As(err, &exit)):
		return exitSignal(interrupted)
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &usage):
		path := program
		if usage.cmd != nil {
			path = usage.cmd.CommandPath()
		}
		fmt.Fprintf(w, "%s: %v\nSee '%s --help'.\n", program, err, path)
		return exitUsage
	}
	fmt.Fprintf(w, "%s: %s\n", program, withCode(err))
	if coded, ok := errors.AsType[codedError](err); ok {
		return coded.code
	}
	if fault.KindOf(err) == fault.Unconfigured {
		return exitUsage
	}
	return exitFailed
}

// withCode is the text of an error with its code, by which the documentation has what to
// do. Of several lines the first has it.
func withCode(err error) string {
	text := strings.TrimSpace(err.Error())
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Code == "" {
		return text
	}
	first, rest, more := strings.Cut(text, "\n")
	first += " [" + e.Code + "]"
	if more {
		return first + "\n" + rest
	}
	return first
}

// logFatal logs what ends a server, where the log is for programs: they would not find it
// in a line that is none of the log.
func logFatal(w io.Writer, c config.Log, err error) {
	if err == nil || !c.JSON || fault.KindOf(err) == fault.Canceled {
		return
	}
	attrs := []any{"code", fault.CodeOf(err), "err", fault.OneLine(err)}
	if hint := fault.HintOf(err); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	newLogger(w, c).Error("the server ends", attrs...)
}

// exitSignal is the code for a command that a signal cut off.
func exitSignal(s os.Signal) int {
	if s, ok := s.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return exitFailed
}

// exitOf is the code for a run that has ended.
func exitOf(r syncs.Run) int {
	switch {
	case r.OK() && r.Report.Total().Rejected > 0:
		return exitRejected
	case r.OK():
		return exitOK
	case strings.HasPrefix(r.Reason, "target_"):
		return exitTarget
	case r.Reason == fault.Unconfigured.String():
		return exitUsage
	case r.Reason == fault.Internal.String(), strings.HasPrefix(r.Reason, "store_"):
		return exitFailed
	default:
		return exitUpstream
	}
}
