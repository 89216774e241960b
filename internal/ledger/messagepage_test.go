package ledger_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/ledger"
)

func TestPagesOfMessages(t *testing.T) {
	dbtest.Run(t, db.Options{}, func(t *testing.T, d *db.DB) {
		l, ctx := ledger.New(d), t.Context()
		e, other := started(t, l, "talks"), started(t, l, "other")
		if _, err := l.Say(ctx, 1, other.ID, lines(1, 3)); err != nil {
			t.Fatal(err)
		}
		var all []ledger.Message
		for i, text := range []string{"Begun", "100% of A_1", "cannot: a_1", "50 done", "ended"} {
			level := []ledger.MessageType{ledger.Info, ledger.Warning, ledger.Error, ledger.Info, ledger.Succeeded}[i]
			said, err := l.Say(ctx, 1, e.ID, []ledger.Message{{Type: level, Text: text}})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, said...)
		}
		id := func(i int) int64 { return all[i].ID }
		for name, tc := range map[string]struct {
			f    ledger.MessageFilter
			want []int
		}{
			"all":                   {ledger.MessageFilter{Limit: 10}, []int{0, 1, 2, 3, 4}},
			"the last":              {ledger.MessageFilter{Limit: 2}, []int{3, 4}},
			"before":                {ledger.MessageFilter{Before: id(3), Limit: 2}, []int{1, 2}},
			"before the first":      {ledger.MessageFilter{Before: id(0), Limit: 2}, nil},
			"after":                 {ledger.MessageFilter{After: id(0), Limit: 2}, []int{1, 2}},
			"after the last":        {ledger.MessageFilter{After: id(4), Limit: 2}, nil},
			"between":               {ledger.MessageFilter{After: id(0), Before: id(4), Limit: 2}, []int{1, 2}},
			"of types":              {ledger.MessageFilter{Types: []ledger.MessageType{ledger.Info, ledger.Error}, Limit: 2}, []int{2, 3}},
			"of a type after":       {ledger.MessageFilter{Types: []ledger.MessageType{ledger.Info}, After: id(0), Limit: 2}, []int{3}},
			"that say":              {ledger.MessageFilter{Search: "a_1", Limit: 10}, []int{1, 2}},
			"that say in capitals":  {ledger.MessageFilter{Search: "BEGUN", Limit: 10}, []int{0}},
			"that say a percentage": {ledger.MessageFilter{Search: "0%", Limit: 10}, []int{1}},
			"that say, of a type":   {ledger.MessageFilter{Search: "a_1", Types: []ledger.MessageType{ledger.Error}, Limit: 10}, []int{2}},
		} {
			got, err := l.MessagePage(ctx, e.ID, tc.f)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, i := range tc.want {
				want = append(want, fmt.Sprint(id(i), all[i].Text))
			}
			if texts := texts(got); !slices.Equal(texts, want) {
				t.Errorf("%s: %q, want %q", name, texts, want)
			}
		}
		counts, err := l.MessageCounts(ctx, e.ID)
		if err != nil || !maps.Equal(counts, map[ledger.MessageType]int64{ledger.Info: 2, ledger.Warning: 1, ledger.Error: 1, ledger.Succeeded: 1}) {
			t.Errorf("counted %v, %v", counts, err)
		}
	})
}

func texts(messages []ledger.Message) (all []string) {
	for _, m := range messages {
		all = append(all, fmt.Sprint(m.ID, m.Text))
	}
	return all
}
