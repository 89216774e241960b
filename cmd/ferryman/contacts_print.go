package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"ferryman/internal/app"
	"ferryman/internal/config"
	"ferryman/internal/pipeline"
	"ferryman/internal/syncs"
)

// shownCycle is one cycle of a campaign for scripts.
type shownCycle struct {
	Campaign string `json:"campaign"`
	Mode     string `json:"mode"`
	DryRun   bool   `json:"dry_run,omitempty"`
	Equal    *bool  `json:"equal,omitempty"` // of verify
	shownRun

	Pages   int64 `json:"pages"`   // of lists
	Retries int64 `json:"retries"` // of calls of the API
	Fetched int64 `json:"fetched"` // contacts
	Skipped int64 `json:"skipped"` // contacts that had not changed
	Bytes   int64 `json:"bytes"`   // that came from the API
	Sent    int64 `json:"sent"`    // posts, in mode webhook, since the last cycle
	Backlog int64 `json:"backlog"` // posts that wait
	Dead    int64 `json:"dead"`    // posts that failed for good since the last cycle

	Undecided int64 `json:"undecided,omitempty"` // of verify: contacts and calls that were left alone
}

func printCycle(w io.Writer, r app.ContactsRun, run syncs.Run, p app.ContactsProgress) error {
	shown := shownCycle{
		Campaign: r.Campaign.Name, Mode: r.Campaign.Mode, DryRun: r.DryRun,
		shownRun: shownRun{run.Execution, run.OK(), run.StartedAt, run.EndedAt, run.Report, run.Reason, run.Detail},
		Pages:    p.Pages, Retries: p.Retries, Fetched: p.Fetched, Skipped: p.Skipped, Bytes: p.Bytes, Sent: p.Sent, Backlog: p.Backlog, Dead: p.Dead,
		Undecided: p.Undecided,
	}
	if r.Verify && run.OK() {
		equal := changes(run.Report) == 0
		shown.Equal = &equal
	}
	return encodeLine(w, shown)
}

func encodeLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printSummary tells people what a cycle did, a line for each table. It writes once,
// since above a line that changes each write clears that line first.
func printSummary(w io.Writer, r app.ContactsRun, run syncs.Run, p app.ContactsProgress) error {
	var b strings.Builder
	summarize(&b, r, run, p)
	_, err := io.WriteString(w, b.String())
	return err
}

func summarize(w io.Writer, r app.ContactsRun, run syncs.Run, p app.ContactsProgress) {
	head := "INSERTED\tUPDATED\tUNCHANGED\tDELETED\tDEAD LETTERS\tBYTES\tTOOK\t"
	switch {
	case r.DryRun:
		head = "TO INSERT\tTO UPDATE\tUNCHANGED\tTO DELETE\tDEAD LETTERS\tBYTES\tTOOK\t"
	case r.Verify && r.Repair:
	case r.Verify:
		head = "MISSING\tDIFFERENT\tEQUAL\tSURPLUS\tDEAD LETTERS\tBYTES\tTOOK\t"
	case r.Campaign.Mode == config.ModeWebhook:
		head = "NEW\tUPDATED\tUNCHANGED\tDELETED\tDEAD LETTERS\tBYTES\tTOOK\t"
	}
	width := len("TABLE") // names begin at the left, all else ends at the right
	for _, c := range run.Report.Tables {
		width = max(width, len(c.Table))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%-*s\t%s\n", width, "TABLE", head)
	for _, c := range run.Report.Tables {
		fmt.Fprintf(t, "%-*s\t%d\t%d\t%d\t%d\t%d\t%s\t%v\t\n", width, c.Table, c.Inserted, c.Updated, c.Unchanged, c.Deleted, c.Rejected,
			humanBytes(c.Bytes), (time.Duration(c.Micros) * time.Microsecond).Round(time.Millisecond))
	}
	if len(run.Report.Tables) > 0 {
		_ = t.Flush() // into memory
	}
	fmt.Fprintf(w, "%s in %v; %d pages and %d contacts read, %s, %d calls repeated%s\n",
		outcome(r, run.Report), took(run), p.Pages, p.Fetched, humanBytes(p.Bytes), p.Retries, posts(p))
	if r.Verify && !r.Rows {
		fmt.Fprintf(w, "%d contacts are the same by their MD5, which is not looked behind; --rows compares each value\n", p.Skipped)
	}
	if p.Undecided > 0 {
		fmt.Fprintf(w, "%d contacts or calls may have gone or be another campaign's, and count neither way\n", p.Undecided)
	}
	if run.Report.Total().Rejected > 0 {
		where := "the table ferryman_dead_letters of the target tells why"
		if r.Campaign.Mode == config.ModeWebhook {
			where = "ferryman outbox list --state failed tells why"
		}
		fmt.Fprintf(w, "%d rows can be no rows there: %s\n", run.Report.Total().Rejected, where)
	}
}

// outcome is what a cycle came to, in a word or two.
func outcome(r app.ContactsRun, report pipeline.Report) string {
	n := changes(report)
	switch {
	case r.DryRun:
		return fmt.Sprintf("nothing written, %d rows would change,", n)
	case r.Verify && n == 0:
		return "no difference, checked"
	case r.Verify && r.Repair:
		return fmt.Sprintf("%d rows made right", n)
	case r.Verify:
		return fmt.Sprintf("%d rows differ, checked", n)
	default:
		return "done"
	}
}

func posts(p app.ContactsProgress) string {
	if p.Sent == 0 && p.Backlog == 0 && p.Dead == 0 {
		return ""
	}
	return fmt.Sprintf("; %d posts sent, %d waiting, %d dead letters", p.Sent, p.Backlog, p.Dead)
}

// changes counts rows that were written or deleted, or would have to be.
func changes(r pipeline.Report) int64 {
	t := r.Total()
	return t.Inserted + t.Updated + t.Deleted
}

func took(r syncs.Run) time.Duration { return r.EndedAt.Sub(r.StartedAt).Round(time.Millisecond) }

// printDifference tells of one row of verify --rows.
func printDifference(w io.Writer, asJSON bool, table, key, kind string, columns []string) {
	if asJSON {
		_ = encodeLine(w, struct { // what cannot be told is in the counts
			Table   string   `json:"table"`
			Key     string   `json:"key"`
			Kind    string   `json:"kind"`
			Columns []string `json:"columns,omitempty"`
		}{table, key, kind, columns})
		return
	}
	in := ""
	if len(columns) > 0 {
		in = " in " + strings.Join(columns, ", ")
	}
	fmt.Fprintf(w, "%s %q %s%s\n", table, key, kind, in)
}

// humanBytes is n in the unit that suits it.
func humanBytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), 0
	for value >= 999.95 && unit < 6 {
		value /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", value, " kMGTPE"[unit])
}
