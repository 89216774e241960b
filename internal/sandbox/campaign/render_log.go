package campaign

import "strconv"

const taskLog = "$task_log"

// facts are what filters ask of a transaction.
type facts struct {
	task, kind, detail string
	user               string // "" is none
}

// facts of an ordinary transaction.
func (t *transaction) facts() facts {
	f := facts{task: tasks[t.key>>12%4], kind: "update", detail: statuses[t.key>>14%4] + "_by_phone"}
	if t.key>>16%8 == 0 {
		f.kind = "preselect"
	}
	if t.key>>20%16 == 0 {
		f.detail = assigned
	}
	if t.key>>24%4 != 0 {
		f.user = agents[t.key>>28%8]
	}
	return f
}

const assigned = "$assigned"

// log writes what was done with the contact.
func (w *writer) log(s *shape, n nasty) {
	w.b = append(w.b, `,"$task_log":[{"task_id":"`...)
	w.b = append(appendID(w.b, mix(s.base, 21)), `","transactions":[`...)
	w.b = append(w.b, n.before...)
	for i := range s.txns {
		special := ""
		if i == 0 {
			special = n.connections
		}
		w.transaction(&s.txns[i], special)
	}
	w.b = append(w.b, n.after...)
	w.close(']', '}', ']')
}

// close ends what was a list, without the comma that each of its elements leaves.
func (w *writer) close(ends ...byte) {
	if n := len(w.b) - 1; w.b[n] == ',' {
		w.b = w.b[:n]
	}
	w.b = append(w.b, ends...)
}

func (w *writer) transaction(t *transaction, special string) {
	f := t.facts()
	w.b = append(appendStamp(append(w.b, `{"fired":"`...), t.fired), '"')
	w.id("task_id", t.key>>12%4)
	w.text("task", f.task)
	w.text("type", f.kind)
	w.text("status", statuses[t.key>>14%4])
	w.text("status_detail", f.detail)
	w.number("pause_time_sec", int64(t.key>>32%60))
	w.number("edit_time_sec", int64(t.key>>36%300))
	w.number("wrapup_time_sec", int64(t.key>>40%90))
	if f.user == "" {
		w.raw("user", "null")
		w.raw("isHI", "false")
	} else {
		w.text("user", f.user)
		w.text("user_loginName", f.user)
		w.text("user_branch", "north")
		w.text("user_tenantAlias", "tideline")
		w.raw("isHI", "true")
	}
	w.text("actor", "dialer")
	w.text("result", statuses[t.key>>14%4])
	w.text("trigger", "timer")
	w.raw("revoked", "false")
	w.b = append(w.b, `,"connections":[`...)
	w.b = append(w.b, special...)
	for i := range t.n {
		w.connection(&t.conns[i], t.fired+int64(i)*300*second, f)
		w.b = append(w.b, ',')
	}
	w.close(']', '}', ',')
}

func (w *writer) connection(c *connection, at int64, f facts) {
	length := 5 + int64(c.key>>10%600)
	w.b = append(appendID(append(w.b, `{"id":"`...), c.key), '"')
	w.id("call_uuid", mix(c.key, 1))
	if w.open("global_call_uuid") {
		w.b = append(appendHex(appendHex(w.b, mix(c.key, 2)), mix(c.key, 3)), "@gateway-4.dialers.example\""...)
	}
	w.id("task_id", c.key>>12%4)
	if w.open("phone") {
		w.b = append(appendPhone(w.b, mix(c.key, 4)), '"')
	}
	w.text("user", f.user)
	w.text("actor", "dialer")
	w.text("hangup_party", "remote")
	w.text("dialerdomain", "d4.dialers.example")
	w.stamp("fired", at)
	w.stamp("started", at+second)
	w.stamp("initiated", at+2*second)
	w.stamp("connected", at+9*second)
	w.stamp("disconnected", at+(9+length)*second)
	w.stamp("ended", at+(10+length)*second)
	w.number("duration", length)
	if w.open("remote_number") {
		w.b = append(appendPhone(w.b, mix(c.key, 4)), '"')
	}
	w.text("line_number", "+498001230")
	if c.transfer {
		w.text("technology", "transfer")
		w.text("transfer_target_address", "sip:team-b@dialers.example")
	} else {
		w.text("technology", "sip")
	}
	w.text("result", "connected")
	w.number("code", 200)
	w.stamp("call_initiated", at+2*second)
	w.stamp("call_connected", at+9*second)
	w.stamp("call_disconnected", at+(9+length)*second)
	if c.withThird {
		w.third(c, at)
	}
	w.b = append(w.b, `,"recordings":[`...)
	if c.recorded {
		w.recording(c.key, at+10*second, length)
	}
	w.b = append(w.b, ']', '}')
}

// third writes a connection to somebody else that was made from the connection.
func (w *writer) third(c *connection, at int64) {
	w.b = append(appendID(append(w.b, `,"third_party_connections":[{"id":"`...), mix(c.key, 5)), '"')
	w.raw("isThirdPartyConnection", "true")
	if w.open("phone") {
		w.b = append(appendPhone(w.b, mix(c.key, 6)), '"')
	}
	w.stamp("started", at+30*second)
	w.stamp("connected", at+33*second)
	w.stamp("disconnected", at+60*second)
	w.number("duration", 27)
	w.text("technology", "sip")
	w.b = append(w.b, `,"recordings":[`...)
	if c.key>>40&1 == 0 {
		w.recording(mix(c.key, 5), at+33*second, 27)
	}
	w.b = append(w.b, `]}]`...)
}

func (w *writer) recording(key uint64, at, length int64) {
	w.b = append(appendStamp(append(w.b, `{"started":"`...), at), '"')
	w.stamp("stopped", at+length*second)
	if w.open("filename") {
		w.b = append(strconv.AppendUint(append(w.b, "call-"...), key>>20, 10), `.mp3"`...)
	}
	if w.open("location") {
		w.b = appendID(append(w.b, "https://records.dialers.example/archive/"...), mix(key, 7))
		w.b = append(appendHex(append(w.b, ".mp3?signature="...), mix(key, 8)), '"')
	}
	w.b = append(w.b, '}')
}
