package dialfire

import (
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	// Each has a member left out, null, empty, wrong or right.
	transactions := map[string]string{
		"nothing":   `{}`,
		"null":      `{"type":null,"user":null,"task":null,"status_detail":null}`,
		"empty":     `{"type":"","user":"","task":""}`,
		"update":    `{"type":"update","user":"anna","task":"fc_call"}`,
		"assigned":  `{"type":"update","user":"anna","task":"fc_call","status_detail":"$assigned"}`,
		"by nobody": `{"type":"update","task":"fc_call"}`,
		"untyped":   `{"user":"anna","task":"qc_check"}`,
		"create":    `{"type":"create","user":"anna","task":"qc_check"}`,
		"UPDATE":    `{"type":"UPDATE","user":"anna","task":"x_fc_"}`,
		"a number":  `{"type":5,"user":5,"task":5}`,
		"no task":   `{"type":"update","user":"anna"}`,
	}
	for name, c := range map[string]struct {
		filter Filter
		carry  string
	}{
		"all":                 {Filter{}, "nothing,null,empty,update,assigned,by nobody,untyped,create,UPDATE,a number,no task"},
		"updates":             {Filter{Kind: UpdatesOnly}, "nothing,null,update,assigned,by nobody,untyped,no task"},
		"updates of users":    {Filter{Kind: HIUpdatesOnly}, "update,untyped,no task"},
		"prefixes":            {Filter{Prefixes: []string{"fc_", "qc_"}}, "nothing,null,update,assigned,by nobody,untyped,create,no task"},
		"a prefix":            {Filter{Prefixes: []string{"qc_c"}}, "nothing,null,untyped,create,no task"},
		"a number for prefix": {Filter{Prefixes: []string{"5"}}, "nothing,null,a number,no task"},
		"kind and prefix":     {Filter{Kind: HIUpdatesOnly, Prefixes: []string{"qc_"}}, "untyped,no task"},
	} {
		carry := map[string]bool{}
		for transaction := range strings.SplitSeq(c.carry, ",") {
			carry[transaction] = true
		}
		for _, o := range []layoutOptions{{filter: c.filter}, {filter: c.filter, emptyAsNull: true}} {
			l := newLayout(o)
			for transaction, text := range transactions {
				text = `{"$id":"A","$task_log":[{"transactions":[` + strings.Replace(text, "{", `{"fired":"f","connections":[{"id":"c","disconnected":"d",
					"recordings":[{"location":"l"},{}]},5],`, 1) + `]}]}`
				text = strings.Replace(text, ",}", "}", 1)
				got := contactOf(t, l, text)
				want := 0
				if carry[transaction] {
					want = 1
				}
				if got.row == nil || len(got.transactions) != want || len(got.connections) != want || len(got.recordings) != want || len(got.rejected) != 2*want {
					t.Errorf("%s, %s:\n%s", name, transaction, showContact(l, got))
				}
				if got := postingsOf(t, "["+text+"]", c.filter); len(got) != want {
					t.Errorf("%s, %s: %d postings", name, transaction, len(got))
				}
			}
		}
	}
}
