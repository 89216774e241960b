package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/outbox"
)

// filled is an office with deliveries: for each topic and state one, on a channel
// called after the topic, in this order.
func filled(t *testing.T, run func(o *office, ids []int64)) {
	t.Helper()
	officeOn(t, func(o *office) {
		var ids []int64
		err := o.store.Tx(t.Context(), func(tx *db.Tx) error {
			var items []outbox.Item
			for i := range 21 {
				topic := outbox.Topic(i / 7)
				items = append(items, outbox.Item{Topic: topic, Channel: []string{"telegram", "viber", "webhook/orders"}[topic], Recipient: fmt.Sprint("r", i%2), Payload: fmt.Sprint(i)})
			}
			var err error
			if ids, _, err = o.outbox.Add(t.Context(), tx, items, outbox.Refuse); err != nil {
				return err
			}
			for i, id := range ids {
				if _, err := tx.Exec(t.Context(), "UPDATE deliveries SET state = $2, ended_at = created_at WHERE id = $1", id, i%7); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		run(o, ids)
	})
}

func TestDeliveriesAreListed(t *testing.T) {
	filled(t, func(o *office, ids []int64) {
		for query, want := range map[string][]int{
			"topic=alert":                                        {7, 8, 9, 10, 11, 12, 13},
			"state=failed":                                       {4, 11, 18},
			"state=scheduled&topic=message":                      {0, 2},
			"topic=alert,contact&state=expired":                  {13, 20},
			"topic=alert&topic=contact&state=sent&state=sending": {8, 10, 15, 17},
			"channel=webhook/orders&state=cancelled":             {19},
			"recipient=r1&topic=message":                         {1, 3, 5},
			"limit=4&recipient=r0&channel=viber":                 {8, 10, 12},
			"limit=2&topic=contact":                              {14, 15, 16, 17, 18, 19, 20},
			fmt.Sprintf("after=%d", ids[18]):                     {19, 20},
			"recipient=nobody":                                   nil,
		} {
			var named []string
			for _, i := range want {
				named = append(named, fmt.Sprint(float64(ids[i])))
			}
			if got := o.list(o.operator, "/api/v1/deliveries?"+query, "id"); strings.Join(got, " ") != strings.Join(named, " ") {
				t.Errorf("%s: %v, want %v", query, got, named)
			}
		}
		for _, query := range []string{"topic=letter", "state=lost", "after=x", "limit=0", "channel=%00", "format=xml"} {
			o.wantProblem(o.do("GET", "/api/v1/deliveries?"+query, ""), http.StatusBadRequest, "invalid_parameter")
		}
		table := o.do("GET", "/api/v1/deliveries?format=csv", "")
		if lines := strings.Count(table.text, "\n"); lines != 22 || !strings.HasPrefix(table.text, "id,topic,state,channel,recipient,") {
			t.Errorf("%d lines: %.200s", lines, table.text)
		}
		if lines := o.do("GET", "/api/v1/deliveries?limit=5&format=jsonl", ""); strings.Count(lines.text, "\n") != 21 {
			t.Error(lines.text)
		}
	})
}

func TestDeliveriesAreManaged(t *testing.T) {
	filled(t, func(o *office, ids []int64) {
		path := func(i int, call string) string { return fmt.Sprintf("/api/v1/deliveries/%d%s", ids[i], call) }
		if d := o.object(o.do("GET", path(1, ""), ""), http.StatusOK); d["state"] != "sending" || d["payload"] != "1" || d["history"] == nil {
			t.Errorf("%v", d)
		}
		if d := o.object(o.do("POST", path(18, "/retry"), ""), http.StatusOK); d["state"] != "scheduled" || d["next_attempt_at"] != o.stamp() {
			t.Errorf("%v", d)
		}
		if d := o.object(o.do("POST", path(18, "/cancel"), ""), http.StatusOK); d["state"] != "cancelled" || d["next_attempt_at"] != nil {
			t.Errorf("%v", d)
		}
		o.wantProblem(o.do("POST", path(18, "/retry"), ""), http.StatusConflict, "delivery_state")
		o.wantProblem(o.do("POST", path(3, "/cancel"), ""), http.StatusConflict, "delivery_state")
		for _, id := range []string{"0", "x", "01", "99999"} {
			for _, call := range []string{"", "/cancel", "/retry"} {
				method := map[bool]string{true: "GET", false: "POST"}[call == ""]
				o.wantProblem(o.do(method, "/api/v1/deliveries/"+id+call, ""), http.StatusNotFound, "no_delivery")
			}
		}
	})
}

func TestChannels(t *testing.T) {
	filled(t, func(o *office, _ []int64) {
		names := o.object(o.do("GET", "/api/v1/outbox", ""), http.StatusOK)["data"].([]any)
		if len(names) != 3 {
			t.Errorf("%v", names)
		}
		for _, path := range []string{"telegram", "webhook%2Forders", "webhook/orders", "webhook/new"} {
			name := strings.ReplaceAll(path, "%2F", "/")
			path = "/api/v1/outbox/channels/" + path
			c := o.object(o.do("POST", path+"/pause", `{"reason":"a try"}`), http.StatusOK)
			if c["name"] != name || c["paused_by"] != "person" || c["pause_reason"] != "a try" || c["paused_at"] != o.stamp() {
				t.Errorf("%v", c)
			}
			if c = o.object(o.do("POST", path+"/resume", ""), http.StatusOK); c["name"] != name || c["paused_by"] != nil || c["pause_reason"] != nil {
				t.Errorf("%v", c)
			}
			for _, body := range []string{`{}`, `{"reason":""}`, `{"reason":1}`, `{"reason":null}`, `{"reason":"` + strings.Repeat("x", 201) + `"}`} {
				o.wantProblem(o.do("POST", path+"/pause", body), http.StatusUnprocessableEntity, "invalid_values")
			}
			o.wantProblem(o.do("POST", path+"/pause", `no`), http.StatusBadRequest, "invalid_json")
		}
		for _, name := range []string{"pigeon", "webhook", "webhook%2F", "webhook/A", "webhook%2Fa%2Fb", "TELEGRAM", "a/b", "telegram/x", "webhook/" + strings.Repeat("x", 101)} {
			o.wantProblem(o.do("POST", "/api/v1/outbox/channels/"+name+"/pause", `{"reason":"x"}`), http.StatusNotFound, "no_channel")
		}
		o.wantProblem(o.do("POST", "/api/v1/outbox/channels/webhook/other/resume", ""), http.StatusNotFound, "no_channel")
	})
}

func TestReplay(t *testing.T) {
	filled(t, func(o *office, ids []int64) {
		replay := func(body string, want int64) {
			t.Helper()
			o.want(o.do("POST", "/api/v1/outbox/replay", body), http.StatusOK, fmt.Sprintf(`{"replayed":%d}`, want))
		}
		replay(fmt.Sprintf(`{"ids":[%d,%d]}`, ids[4], ids[5]), 1)
		replay(`{"channel":"telegram"}`, 0)
		replay(fmt.Sprintf(`{"from":%d,"to":%d}`, ids[5], ids[11]), 1)
		replay(`{"code":"nothing"}`, 0)
		replay(`{"since":"2199-01-01T00:00:00Z"}`, 0)
		replay(`{"all":true}`, 1)
		replay(`{"all":true}`, 0)
		for _, body := range []string{
			`{}`, `{"all":false}`, `{"ids":[]}`, `{"ids":null}`, `{"ids":7}`, `{"ids":["7"]}`, `{"ids":[1.5]}`, `{"from":0}`, `{"to":"x"}`, `{"channel":1}`, `{"since":"noon"}`,
			`{"all":"yes"}`, `{"ids":[` + strings.Repeat("1,", 1000) + `1]}`,
		} {
			o.wantProblem(o.do("POST", "/api/v1/outbox/replay", body), http.StatusUnprocessableEntity, "invalid_values")
		}
	})
}

// TestOutboxByKey calls as operators elsewhere must.
func TestOutboxByKey(t *testing.T) {
	clock := exampleClock()
	url := "sqlite://" + t.TempDir() + "/ferryman.db"
	o := staff(moor(t, url, dbtest.Open(t, url, quick(clock)), clock, func(o *Options) { o.LoopbackOnly, o.KeysOnly = false, true }))
	for _, r := range o.routes {
		if !ofOutbox(r.pattern) {
			continue
		}
		path := strings.ReplaceAll(example(r.pattern), "{name}", "telegram")
		for key, may := range map[string]bool{o.operator: true, o.auditor: r.method == "GET", o.admin: false, o.read: false} {
			a := o.as(key, r.method, path, `{"reason":"x","all":true}`)
			if refused := a.StatusCode == http.StatusForbidden; refused == may {
				t.Errorf("%s %s: %d %s", r.method, path, a.StatusCode, a.text)
			}
		}
		o.wantProblem(o.do(r.method, path, ""), http.StatusUnauthorized, "unauthorized")
	}
}

// TestDeliveryIsOneObject looks at the shape of what is nested.
func TestDeliveryIsOneObject(t *testing.T) {
	text, err := json.Marshal(wholeDelivery{History: []attemptOfThis{}})
	if err != nil || !strings.HasPrefix(string(text), `{"id":0,"topic":""`) || !strings.HasSuffix(string(text), `"payload":"","history":[]}`) {
		t.Errorf("%s %v", text, err)
	}
}
