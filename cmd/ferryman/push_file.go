package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/fault"
	"ferryman/internal/pushclient"
)

// fileFlags are those of push send --file.
type fileFlags struct {
	name, format, rejects string
	batch, parallel       int
}

func (f *fileFlags) add(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.name, "file", "", "file of messages; - is standard input")
	fs.StringVar(&f.format, "format", "", "jsonl or csv (default by the file's name)")
	fs.IntVar(&f.batch, "batch", 1000, "how many messages to hand in at once")
	fs.IntVar(&f.parallel, "parallel", 4, "how many lists to hand in at the same time")
	fs.StringVar(&f.rejects, "rejects", "", "file that gets what is refused; it is written anew")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"jsonl", "csv"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// check completes and judges the flags.
func (f *fileFlags) check() error {
	if f.format == "" {
		switch strings.ToLower(filepath.Ext(f.name)) {
		case ".jsonl", ".ndjson":
			f.format = "jsonl"
		case ".csv", ".tsv":
			f.format = "csv"
		default:
			return badFlag("--format is needed, jsonl or csv, for --file %s does not tell", f.name)
		}
	}
	switch {
	case f.format != "jsonl" && f.format != "csv":
		return badFlag("--format is %q, expected jsonl or csv", f.format)
	case f.batch < 1 || f.batch > pushclient.MaxBatch:
		return badFlag("--batch is %d, expected 1 to %d", f.batch, pushclient.MaxBatch)
	case f.parallel < 1 || f.parallel > pushclient.MaxParallel:
		return badFlag("--parallel is %d, expected 1 to %d", f.parallel, pushclient.MaxParallel)
	}
	return nil
}

// open gives the file, and its size or -1.
func (f *fileFlags) open(cmd *cobra.Command) (io.ReadCloser, int64, error) {
	if f.name == "-" {
		return io.NopCloser(cmd.InOrStdin()), -1, nil
	}
	file, err := os.Open(f.name)
	if err != nil {
		return nil, 0, badFlag("--file: %v", err)
	}
	info, err := file.Stat()
	switch {
	case err != nil || info.IsDir():
		_ = file.Close()
		return nil, 0, badFlag("--file: %s cannot be read as a file", f.name)
	case !info.Mode().IsRegular():
		return file, -1, nil
	}
	if rejects, err := os.Stat(f.rejects); err == nil && os.SameFile(info, rejects) {
		_ = file.Close()
		return nil, 0, badFlag("--rejects is the same file as --file, and would be overwritten")
	}
	return file, info.Size(), nil
}

func (f *fileFlags) lines(r io.Reader) (pushclient.Lines, error) {
	if f.format == "csv" {
		lines, err := pushclient.CSV(r)
		if fault.KindOf(err) == fault.Invalid {
			return nil, badFlag("--file: %v", err)
		}
		return lines, err
	}
	return pushclient.JSONLines(r), nil
}

func sendFile(cmd *cobra.Command, f sendFlags) error {
	err := without(cmd.Flags(), ofOne(), "is for a single message, and not with --file")
	if err == nil {
		err = f.file.check()
	}
	if err != nil {
		return usageError{cmd, err}
	}
	return withPush(cmd, func(ctx context.Context, c *pushclient.Client) error {
		file, size, err := f.file.open(cmd)
		if err != nil {
			return err
		}
		defer file.Close() //nolint:errcheck // it was only read
		lines, err := f.file.lines(file)
		if err != nil {
			return err
		}
		rejects, err := newRejects(cmd.ErrOrStderr(), f.file.rejects)
		if err != nil {
			return err
		}
		shown := newSendProgress(cmd.ErrOrStderr(), size)
		began := time.Now()
		tally, err := c.Send(ctx, lines, pushclient.SendOptions{
			Batch: f.file.batch, Parallel: f.file.parallel,
			Progress: shown.update,
			Reject:   func(l pushclient.Line) error { shown.clear(); return rejects.add(l) },
			Retrying: func(cause error, wait time.Duration) {
				shown.clear()
				fmt.Fprintf(cmd.ErrOrStderr(), "ferryman: %v; again in %v\n", cause, wait.Round(time.Millisecond))
			},
		})
		shown.clear()
		err = errors.Join(err, rejects.close())
		return sent(cmd, f, tally, time.Since(began), err)
	})
}

// shownTally is the summary for scripts.
type shownTally struct {
	Stored  int64   `json:"stored"`
	There   int64   `json:"already_there"`
	Refused int64   `json:"refused"`
	Seconds float64 `json:"seconds"`
}

// sent prints the summary, and says how to go on if there is more to do.
func sent(cmd *cobra.Command, f sendFlags, t pushclient.Tally, took time.Duration, err error) error {
	if f.asJSON {
		if err := printJSON(cmd, shownTally{t.Stored, t.There, t.Refused, took.Seconds()}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "stored %d, already there %d, refused %d, took %v (%.0f/s)\n",
			t.Stored, t.There, t.Refused, took.Round(time.Millisecond), rate(t.Total(), took))
	}
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "ferryman: the file is not through; run the same command again to go on: what is stored counts as already there")
		return err
	}
	if t.Refused > 0 {
		return exitError(exitRejected)
	}
	return nil
}

// rejects keeps what is refused.
type rejects struct {
	out   io.Writer
	file  *os.File // nil without one
	count int
}

func newRejects(out io.Writer, name string) (*rejects, error) {
	r := &rejects{out: out}
	if name != "" {
		// What is refused are messages to people: for their owner alone.
		file, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, badFlag("--rejects: %v", err)
		}
		r.file = file
	}
	return r, nil
}

// toldRejects is how many refused messages are told on standard error.
const toldRejects = 20

func (r *rejects) add(l pushclient.Line) error {
	switch r.count++; {
	case r.count <= toldRejects:
		for _, p := range l.Problems {
			fmt.Fprintf(r.out, "line %d: %s\n", l.N, oneLine(p.String()))
		}
	case r.count == toldRejects+1 && r.file != nil:
		fmt.Fprintln(r.out, "further ones are in", r.file.Name())
	case r.count == toldRejects+1:
		fmt.Fprintln(r.out, "further ones are not told; --rejects FILE keeps them all")
	}
	if r.file == nil {
		return nil
	}
	e := json.NewEncoder(r.file)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		Line    int64                `json:"line"`
		Errors  []pushclient.Problem `json:"errors"`
		Message json.RawMessage      `json:"message,omitempty"`
		Raw     string               `json:"raw,omitempty"`
	}{l.N, l.Problems, json.RawMessage(l.JSON), l.Raw})
	if err != nil {
		return fmt.Errorf("write %s: %w", r.file.Name(), err)
	}
	return nil
}

func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("write %s: %w", r.file.Name(), err)
	}
	return nil
}
