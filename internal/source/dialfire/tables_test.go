package dialfire

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/pipeline"
)

// mark is that of a column: S short text, X text, I number, B boolean.
func mark(c pipeline.Column) string {
	switch {
	case c.Type == pipeline.Text && c.Short:
		return "S"
	case c.Type == pipeline.Text:
		return "X"
	case c.Type == pipeline.Decimal:
		return "I"
	case c.Type == pipeline.Boolean:
		return "B"
	default:
		return "?"
	}
}

func TestTables(t *testing.T) {
	want := map[string]struct{ columns, indexes string }{
		"contacts": {`$id S $md5 S $ref S $version S $campaign_id S $task_id S $task S $status S $status_detail X $created_date S
			$entry_date S $owner S $follow_up_date S $phone S $timezone S $caller_id S $source S $comment X $error S
			$recording X $recording_url X`, "[[$id $md5]]"},
		"transactions": {`id S contact_id S task_id S task S status S status_detail X fired S pause_time_sec I edit_time_sec I
			wrapup_time_sec I user S user_loginName S user_branch S user_tenantAlias S actor S type S result S trigger S isHI B
			revoked B`, "[[contact_id]]"},
		"connections": {`id S parent_connection_id S transfer_target_address S call_uuid S global_call_uuid X transaction_id S
			task_id S contact_id S phone S user S actor S hangup_party S isThirdPartyConnection S dialerdomain S fired S
			started S initiated S connected S disconnected S ended S duration I remote_number S line_number S technology S
			result S code I call_initiated S call_connected S call_disconnected S`, "[[contact_id] [transaction_id]]"},
		"recordings": {`id S contact_id S connection_id S started S stopped S filename X location X`, "[[contact_id] [connection_id]]"},
		"inbound_calls": {`id S line_id S campaign_id S task_id S task_name S contact_id S remote_number S line_number S
			started S connected S disconnected S user S state S connectable_time S disposition S dispatch_error B`, "[[contact_id]]"},
	}
	for _, prefix := range []string{"", "p_"} {
		tables := Tables(prefix)
		var names []string
		for _, table := range tables {
			name, ok := strings.CutPrefix(table.Name, prefix)
			if !ok {
				t.Errorf("table %s is without the prefix", table.Name)
			}
			names = append(names, name)
			var columns []string
			for _, c := range table.Columns {
				columns = append(columns, c.Name, mark(c))
			}
			if got := strings.Join(columns, " "); got != strings.Join(strings.Fields(want[name].columns), " ") {
				t.Errorf("%s: %s", name, got)
			}
			if got := fmt.Sprint(table.Indexes); got != want[name].indexes {
				t.Errorf("%s: indexes %s", name, got)
			}
			first := table.Columns[0]
			if !slices.Equal(table.Key, []string{first.Name}) || !first.Required {
				t.Errorf("%s: key %v", name, table.Key)
			}
			if slices.ContainsFunc(table.Columns[1:], func(c pipeline.Column) bool { return c.Required }) {
				t.Errorf("%s: a column that may be NULL is required", name)
			}
			if want := (pipeline.Stamp{Name: "$changed", Type: pipeline.Text, On: pipeline.OnChange}); !slices.Equal(table.Stamps, []pipeline.Stamp{want}) {
				t.Errorf("%s: stamps %v", name, table.Stamps)
			}
		}
		if got := strings.Join(names, " "); got != "contacts transactions connections recordings inbound_calls" {
			t.Errorf("tables %s", got)
		}
	}
}

func TestPostingsTable(t *testing.T) {
	p := Postings()
	if got := fmt.Sprint(p.Name, " ", p.Key, p.KeyIndexes()); got != "transactions [contact_id fired] [0 1]" {
		t.Error(got)
	}
	for i, name := range []string{"contact_id", "fired", "hash", "contact", "transaction"} {
		if p.Index(name) != i {
			t.Errorf("%s is column %d", name, p.Index(name))
		}
	}
	if len(p.Columns) != 5 || len(p.Stamps) != 0 {
		t.Errorf("%+v", p)
	}
}
