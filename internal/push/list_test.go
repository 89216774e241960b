package push_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/push"
)

// posted posts a list of ten messages, of which the i-th is in the i-th state, and
// gives their ids, beside an alert.
func (d *desk) posted() (ids []int64) {
	d.t.Helper()
	var items []string
	for i := range 10 {
		items = append(items, item([]string{"ann", "ben"}[i%2], fmt.Sprint(i%3), fmt.Sprint("text ", i)))
	}
	d.post("["+strings.Join(items, ",")+"]", "")
	ids = d.ids()
	err := d.db.Tx(d.t.Context(), func(tx *db.Tx) error {
		for i, id := range ids {
			_, err := tx.Exec(d.t.Context(), "UPDATE deliveries SET state = $2, attempts = $3, ended_at = $4, last_error = $5 WHERE id = $1",
				id, i%7, i%3, d.clock.Load()+int64(i), strings.Repeat("refused", i%2))
			if err != nil {
				return err
			}
		}
		_, _, err := d.outbox.Add(d.t.Context(), tx, []outbox.Item{{Topic: outbox.Alert, Channel: "telegram", Recipient: "ann", Payload: "alert"}}, outbox.Refuse)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return ids
}

func TestList(t *testing.T) {
	deskOn(t, func(d *desk) {
		if all := d.ids(); len(all) != 0 {
			t.Fatalf("%v", all)
		}
		ids := d.posted()
		if again := d.ids(); !slices.Equal(again, ids) || !slices.IsSorted(ids) {
			t.Errorf("%v, not %v", again, ids) // the alert is no message
		}
		whatsApp := push.WhatsApp
		for _, c := range []struct {
			f    push.Filter
			want []int
		}{
			{push.Filter{State: "scheduled"}, []int{0, 2, 7, 9}},
			{push.Filter{State: "sending"}, []int{1, 8}},
			{push.Filter{State: "sent"}, []int{3}},
			{push.Filter{State: "failed"}, []int{4}},
			{push.Filter{State: "cancelled"}, []int{5}},
			{push.Filter{State: "expired"}, []int{6}},
			{push.Filter{UserID: "ben"}, []int{1, 3, 5, 7, 9}},
			{push.Filter{Messenger: &whatsApp}, []int{2, 5, 8}},
			{push.Filter{Messenger: &whatsApp, UserID: "ann", State: "scheduled"}, []int{2}},
			{push.Filter{UserID: "nobody"}, nil},
			{push.Filter{Limit: 2}, []int{0, 1}},
			{push.Filter{After: ids[6], Limit: 2}, []int{7, 8}},
			{push.Filter{After: ids[9]}, nil},
		} {
			all, err := d.List(t.Context(), c.f)
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, m := range all {
				got = append(got, slices.Index(ids, m.ID))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%+v: %v, want %v", c.f, got, c.want)
			}
		}
		if _, err := d.List(t.Context(), push.Filter{State: "lost"}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
	})
}

func TestWhatIsShown(t *testing.T) {
	deskOn(t, func(d *desk) {
		ids := d.posted()
		show := func(i int) string {
			t.Helper()
			m, err := d.Get(t.Context(), ids[i])
			if err != nil {
				t.Fatal(err)
			}
			return string(m.AppendJSON(nil))
		}
		d.want(show(0), fmt.Sprintf(`{"id":%d,"user_id":"ann","messenger_id":0,"text":"text 0","start_at":null,"state":"scheduled","attempts":0,"sent_at":null,`+
			`"last_error":null,"next_attempt_at":"2031-03-01T12:00:00Z","expires_at":null,"held":"viber is not configured: set VIBER_TOKEN and VIBER_SENDER"}`, ids[0]))
		d.want(show(3), fmt.Sprintf(`{"id":%d,"user_id":"ben","messenger_id":0,"text":"text 3","start_at":null,"state":"sent","attempts":0,"sent_at":"2031-03-01T12:00:00.000003Z",`+
			`"last_error":"refused","next_attempt_at":null,"expires_at":null,"held":null}`, ids[3]))

		held := func(want string) {
			t.Helper()
			m, err := d.Get(t.Context(), ids[7])
			if err != nil || m.Held != want {
				t.Errorf("%q %v, want %q", m.Held, err, want)
			}
		}
		held("telegram is not configured: set TELEGRAM_TOKEN")
		if err := d.outbox.Pause(t.Context(), "telegram", "bad token"); err != nil {
			t.Fatal(err)
		}
		held("telegram is paused: bad token")
		if err := d.outbox.Resume(t.Context(), "telegram"); err != nil {
			t.Fatal(err)
		}
		held("telegram is not configured: set TELEGRAM_TOKEN")
		err := d.db.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), "UPDATE channels SET configured = TRUE, held_until = $1 WHERE name = 'telegram'", d.clock.Load()+1_000_000)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		held("telegram rests until 2031-03-01T12:00:01Z")
		d.clock.Add(time.Second.Microseconds())
		held("")
	})
}

func TestManage(t *testing.T) {
	deskOn(t, func(d *desk) {
		ids, ctx := d.posted(), t.Context()
		alert := ids[9] + 1
		state := func(err error, want string) {
			t.Helper()
			if got := fault.KindOf(err).String(); err == nil && want != "" || err != nil && got != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
		move := func(id int64, body string) error {
			_, err := d.Move(ctx, id, []byte(body))
			return err
		}
		retry := func(id int64) error {
			_, err := d.Retry(ctx, id)
			return err
		}
		for _, id := range []int64{0, -1, ids[9] + 99, alert} {
			state(d.Cancel(ctx, id), "not_found")
			state(move(id, `{}`), "not_found")
			state(retry(id), "not_found")
			_, err := d.Get(ctx, id)
			state(err, "not_found")
		}
		state(retry(ids[4]), "")
		state(retry(ids[0]), "conflict")
		state(d.Cancel(ctx, ids[0]), "")
		state(d.Cancel(ctx, ids[0]), "")
		state(d.Cancel(ctx, ids[3]), "conflict")
		state(move(ids[3], `{"start_at":null}`), "conflict")

		moved, err := d.Move(ctx, ids[7], []byte(`{"text":"other","start_at":"2031-05-06 07:08+01:00"}`))
		if at := time.Date(2031, 5, 6, 6, 8, 0, 0, time.UTC); err != nil || moved.StartAt == nil || *moved.StartAt != at || moved.NextAttemptAt != at || moved.Text != "text 7" {
			t.Errorf("%+v, %v", moved, err)
		}
		if moved, err = d.Move(ctx, ids[7], []byte(`{"start_at":null}`)); err != nil || moved.StartAt != nil || moved.NextAttemptAt != d.db.Now() {
			t.Errorf("%+v, %v", moved, err)
		}
		d.post(`[{"user_id":"eve","messenger_id":1,"text":"x","expires_at":"2031-04-01T00:00"}]`, "")
		for body, want := range map[string]string{
			`{}`:                                 `{"start_at":["This field is required."]}`,
			`{"start_at":5}`:                     `{"start_at":["` + wrongTime + `"]}`,
			`{"start_at":"2031-04-01T00:00"}`:    `{"start_at":["Must be earlier than expires_at."]}`,
			`{"start_at":"9999-12-31T23:59-01"}`: `{"start_at":["Datetime value out of range."]}`,
			`[]`:                                 `{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}`,
			`{`:                                  `{"detail":"JSON parse error - the body ends too early, at byte 1"}`,
			`{} x`:                               `{"detail":"JSON parse error - invalid character 'x' at start of value at byte 3"}`,
			"{\"start_at\":\"\xff\"}":            `{"detail":"JSON parse error - byte 13 is not UTF-8"}`,
		} {
			all := d.ids()
			err := move(all[len(all)-1], body)
			refusal, ok := errors.AsType[*push.Refusal](err)
			if !ok {
				t.Errorf("%s: %v", body, err)
				continue
			}
			d.want(string(refusal.JSON), want)
		}
	})
}

// TestFirstMoment keeps the first moment that there is apart from none.
func TestFirstMoment(t *testing.T) {
	deskOn(t, func(d *desk) {
		if got := d.post(`[{"user_id":"ann","messenger_id":1,"text":"x","start_at":"0001-01-01T00:00"}]`, ""); !strings.Contains(got, `"start_at":"0001-01-01T00:00:00Z"`) {
			t.Error(got)
		}
		m, err := d.Get(t.Context(), d.ids()[0])
		if err != nil || m.StartAt == nil || !m.StartAt.IsZero() {
			t.Errorf("%v, %v", m.StartAt, err)
		}
	})
}
