package alert_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/alert"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

func TestRecipients(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		first := w.add(t, alert.Recipient{Channel: "telegram", Address: " -100123 "})
		second := w.add(t, alert.Recipient{
			Channel: "webhook/pager.v2", App: "shop", Kinds: []ledger.EventKind{ledger.EventSucceeded, ledger.EventMissed, ledger.EventMissed},
		})
		if first.Address != "-100123" || first.App != "" || !slices.Equal(first.Kinds, alert.DefaultKinds()) || !first.CreatedAt.Equal(w.clock.now()) {
			t.Errorf("added %+v", first)
		}
		if second.Address != "pager.v2" || !slices.Equal(second.Kinds, []ledger.EventKind{ledger.EventMissed, ledger.EventSucceeded}) {
			t.Errorf("added %+v", second)
		}
		all, err := w.List(ctx)
		if err != nil || len(all) != 2 || !same(all[0], first) || !same(all[1], second) {
			t.Errorf("list %+v, %v", all, err)
		}
		if got, err := w.Get(ctx, second.ID); err != nil || !same(got, second) {
			t.Errorf("get %+v, %v", got, err)
		}
		if _, err := w.Add(ctx, second); !errors.Is(err, alert.ErrExists) {
			t.Errorf("again: %v", err)
		}
		if _, err := w.Add(ctx, alert.Recipient{Channel: "viber", Address: "1", App: "nobody"}); !errors.Is(err, ledger.ErrNoApplication) {
			t.Errorf("for an unknown application: %v", err)
		}
		if err := w.Remove(ctx, first.ID); err != nil {
			t.Error(err)
		}
		if err := w.Remove(ctx, first.ID); !errors.Is(err, alert.ErrNotFound) {
			t.Errorf("removed again: %v", err)
		}
		if _, err := w.Get(ctx, first.ID); !errors.Is(err, alert.ErrNotFound) {
			t.Errorf("get what was removed: %v", err)
		}
		w.exec(t, "DELETE FROM applications WHERE name = 'shop'")
		if all, err := w.List(ctx); err != nil || len(all) != 0 {
			t.Errorf("without the application: %+v, %v", all, err)
		}
	})
}

func same(a, b alert.Recipient) bool {
	kinds := slices.Equal(a.Kinds, b.Kinds)
	a.Kinds, b.Kinds = nil, nil
	return kinds && a.ID == b.ID && a.Channel == b.Channel && a.Address == b.Address && a.App == b.App && a.CreatedAt.Equal(b.CreatedAt)
}

func TestRecipientsThatAreRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.webhook(t, "gone")
		w.exec(t, "UPDATE webhooks SET deleted_at = 1 WHERE name = 'gone'")
		for name, one := range map[string]struct {
			r    alert.Recipient
			code string
		}{
			"no channel":             {alert.Recipient{Address: "1"}, "alert_channel"},
			"unknown channel":        {alert.Recipient{Channel: "fax", Address: "1"}, "alert_channel"},
			"webhook without a name": {alert.Recipient{Channel: "webhook/", Address: "1"}, "alert_channel"},
			"unknown webhook":        {alert.Recipient{Channel: "webhook/Über"}, "webhook_unknown"},
			"removed webhook":        {alert.Recipient{Channel: "webhook/gone"}, "webhook_unknown"},
			"webhook and other":      {alert.Recipient{Channel: "webhook/a", Address: "b"}, "alert_recipient"},
			"nobody":                 {alert.Recipient{Channel: "telegram", Address: "  "}, "alert_recipient"},
			"long":                   {alert.Recipient{Channel: "telegram", Address: strings.Repeat("1", 201)}, "alert_recipient"},
			"lines":                  {alert.Recipient{Channel: "telegram", Address: "1\n2"}, "alert_recipient"},
			"bytes":                  {alert.Recipient{Channel: "telegram", Address: "1\xff"}, "alert_recipient"},
			"kind":                   {alert.Recipient{Channel: "telegram", Address: "1", Kinds: []ledger.EventKind{"late"}}, "alert_kind"},
			"only recoveries": {
				alert.Recipient{Channel: "telegram", Address: "1", Kinds: []ledger.EventKind{ledger.EventRecovered, ledger.EventFailed}}, "alert_kind",
			},
		} {
			if _, err := w.Add(t.Context(), one.r); fault.CodeOf(err) != one.code || (fault.KindOf(err) == fault.Invalid) == (one.code == "webhook_unknown") {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.exec(t, `INSERT INTO alert_recipients (channel, recipient, kinds, created_at)
			SELECT 'viber', CAST(n AS TEXT), 'missed', 0 FROM (WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000) SELECT n FROM n) AS n`)
		if _, err := w.Add(t.Context(), alert.Recipient{Channel: "telegram", Address: "1"}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("one too many: %v", err)
		}
	})
}
