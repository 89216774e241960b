package ledgerjson_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
)

var at = time.Date(2026, 3, 1, 3, 0, 0, 999_999, time.FixedZone("", 3600))

func TestTimesAreUTCWithMilliseconds(t *testing.T) {
	text, err := json.Marshal([]ledgerjson.Time{ledgerjson.Time(at), {}})
	if err != nil || string(text) != `["2026-03-01T02:00:00.000Z",null]` {
		t.Errorf("%s, %v", text, err)
	}
}

// What is not set is null, and there.
func TestEmptyOnesHaveAllMembers(t *testing.T) {
	for name, v := range map[string]any{
		"cron": ledgerjson.OfCron(&ledger.CronStatus{}), "execution": ledgerjson.OfExecution(&ledger.ListedExecution{}),
		"message": ledgerjson.OfMessage(&ledger.Message{}), "event": ledgerjson.OfEvent(&ledger.ListedEvent{}), "window": ledgerjson.OfWindow(&ledger.Window{}),
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(text, &members); err != nil || len(members) != reflect.TypeOf(v).NumField() {
			t.Errorf("%s: %s, %v", name, text, err)
		}
		for _, member := range []string{"schedule", "max_running", "keep_for_seconds", "last_execution", "ended_at", "host", "rows", "result", "subject", "since"} {
			if value, there := members[member]; there && value != nil {
				t.Errorf("%s of an empty %s is %v", member, name, value)
			}
		}
	}
}

func TestDurationOfAnExecution(t *testing.T) {
	for name, one := range map[string]struct {
		e    ledger.Execution
		want any
	}{
		"running":  {ledger.Execution{Status: ledger.Running, StartedAt: at}, nil},
		"missed":   {ledger.Execution{Status: ledger.Missed, StartedAt: at, EndedAt: at}, nil},
		"measured": {ledger.Execution{Status: ledger.Success, StartedAt: at, EndedAt: at.Add(1500 * time.Millisecond)}, int64(1500)},
		"reported": {ledger.Execution{Status: ledger.Failed, StartedAt: at, EndedAt: at.Add(time.Hour), ReportedTook: time.Second}, int64(1000)},
	} {
		shown := ledgerjson.OfExecution(&ledger.ListedExecution{Execution: one.e})
		var got any
		if shown.DurationMS != nil {
			got = *shown.DurationMS
		}
		if got != one.want {
			t.Errorf("%s took %v, want %v", name, got, one.want)
		}
	}
}

func TestTableHasACellForEachColumn(t *testing.T) {
	columns := ledgerjson.Columns[ledgerjson.Execution]()
	code := int64(-1)
	full := ledger.ListedExecution{App: "shop", Slug: "job", Execution: ledger.Execution{
		ID: 7, Status: ledger.Failed, StartedAt: at, EndedAt: at.Add(time.Second), ExitCode: &code, Holder: "@host", Detail: "-1 rows",
		Overdue: true, Counts: ledger.Counts{Read: 3}, Result: json.RawMessage(`{"a":1}`),
	}}
	for name, e := range map[string]*ledger.ListedExecution{"empty": {}, "full": &full} {
		if cells := ledgerjson.Cells(ledgerjson.OfExecution(e)); len(cells) != len(columns) {
			t.Errorf("%s: %d cells for %d columns", name, len(cells), len(columns))
		}
	}
	cells := ledgerjson.Cells(ledgerjson.OfExecution(&full))
	for column, want := range map[string]string{
		"id": "7", "app": "shop", "status": "failed", "started_at": "2026-03-01T02:00:00.000Z", "deadline_at": "", "exit_code": "-1", "host": "'@host",
		"detail": "'-1 rows", "overdue": "true", "rows_read": "3", "rows_rejected": "0", "result": `{"a":1}`, "reason": "",
	} {
		if i := slices.Index(columns, column); i < 0 || cells[i] != want {
			t.Errorf("%s is not %q in %v of %v", column, want, cells, columns)
		}
	}
	crons := ledgerjson.Columns[ledgerjson.Cron]()
	if !slices.Contains(crons, "last_execution_status") || slices.Contains(crons, "last_execution") {
		t.Errorf("columns of a cron: %v", crons)
	}
	status := ledger.CronStatus{Cron: ledger.Cron{Settings: ledger.Settings{Grace: 90 * time.Second}}, Last: &full.Execution}
	if row := strings.Join(ledgerjson.Cells(ledgerjson.OfCron(&status)), " "); !strings.Contains(row, " 90 ") || !strings.Contains(row, "failed") {
		t.Errorf("row of a cron: %s", row)
	}
}

func TestNoCellIsAFormula(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(1)": "'@SUM(1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1",
		"＝1+1": "'＝1+1", "＋1": "'＋1", "－1": "'－1", "＠SUM(1)": "'＠SUM(1)", "1=1": "1=1", "茶": "茶", "": "",
	} {
		if got := ledgerjson.Cells(struct{ Text string }{text})[0]; got != want {
			t.Errorf("%q stands as %q, want %q", text, got, want)
		}
	}
}
