package dialfire

import (
	"strings"
	"testing"
)

func TestCalls(t *testing.T) {
	l := newLayout(layoutOptions{prefix: "p_"})
	rows, rejected, cursor, err := l.decodeCalls([]byte(`{"count":3,"cursor":"next","results":[
		{"id":"C1","line_id":"L","campaign_id":"K","task_id":"T","task_name":"in","contact_id":"A","calling_number":"+49 30 1","called_number":"+49 30 2",
			"call_time":"t1","connect_time":"t2","hangup_time":"t3","user":"anna","state":"done","connectable_time":12.50,"disposition":null,
			"dispatch_error":false,"more":{"id":"no"},
			"remote_number":"no","line_number":"no","started":"no","connected":"no","disconnected":"no"},
		{"dispatch_error":"late","id":7},
		{"dispatch_error":1,"id":"C1","user":""}
	]}`))
	if err != nil || cursor != "next" || len(rejected) != 0 {
		t.Fatalf("%v, %q, %v", rejected, cursor, err)
	}
	want := `p_inbound_calls id="C1" line_id="L" campaign_id="K" task_id="T" task_name="in" contact_id="A" remote_number="+49 30 1" line_number="+49 30 2"` +
		` started="t1" connected="t2" disconnected="t3" user="anna" state="done" connectable_time="12.50" dispatch_error=false
p_inbound_calls id="7" dispatch_error=misfit("late")
p_inbound_calls id="C1" user="" dispatch_error=true
`
	if got := show(l.calls, rows); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}

	l = newLayout(layoutOptions{emptyAsNull: true})
	rows, _, _, err = l.decodeCalls([]byte(`{"results":[{"id":"C1","user":"","state":" "}]}`))
	if got := show(l.calls, rows); err != nil || got != `inbound_calls id="C1" state=" "`+"\n" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestCallsThatAreRejected(t *testing.T) {
	l := newLayout(layoutOptions{})
	rows, rejected, _, err := l.decodeCalls([]byte(`{"results":[
		{"id":"C1"}, null, 5, "call" ,{"user":"anna"},{"id":null},{"id":""},[{"id":"C2"}],  {"user":"anna"}, {"id":"C3"}
	]}`))
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v, %v", rows, err)
	}
	var reasons []string
	keys := map[string]bool{}
	for _, r := range rejected {
		reasons = append(reasons, r.Reason)
		keys[r.Key] = true
		if !strings.HasPrefix(r.Key, "sha256 ") {
			t.Errorf("key %q", r.Key)
		}
	}
	want := "the call: expected an object, found a number; the call: expected an object, found a string; the call has no id; the call has no id; " +
		"the call has no id; the call: expected an object, found an array; the call has no id"
	if got := strings.Join(reasons, "; "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(keys) != 6 || rejected[2].Key != rejected[6].Key {
		t.Errorf("the same call has the same key, and no other: %v", rejected)
	}
	if got := cell(t, l.calls, rejected[2].Row, "user"); got != "anna" {
		t.Errorf("the row holds %v", got)
	}
}
