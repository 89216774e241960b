package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/fault"
)

// wants tells what findings of one check should be: each a level, and words of its detail
// and its remedy.
func wants(t *testing.T, found []Finding, want ...[2]string) {
	t.Helper()
	if len(found) != len(want) {
		t.Errorf("%d findings, want %d: %+v", len(found), len(want), found)
		return
	}
	for i, f := range found {
		if string(f.Level) != want[i][0] || !strings.Contains(f.Detail+" → "+f.Remedy, want[i][1]) {
			t.Errorf("%+v, want %q", f, want[i])
		}
		if (f.Level == OK) != (f.Remedy == "") {
			t.Errorf("%+v: a remedy is for what is not well, and only for that", f)
		}
	}
}

func TestRunKeepsTheOrder(t *testing.T) {
	second := make(chan struct{})
	found := Run(t.Context(), []Check{
		{"first", func(ctx context.Context) []Finding {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("it could take for ever")
			}
			<-second // they go side by side
			return []Finding{Well("a"), Doubtful("do", "b")}
		}},
		{"second", func(context.Context) []Finding {
			close(second)
			panic("broken")
		}},
		Told("third", Well("c")),
	})
	var got []string
	for _, f := range found {
		got = append(got, f.Check+" "+string(f.Level)+" "+f.Detail)
	}
	want := []string{"first ok a", "first warning b", "second problem the check broke off: broken", "third ok c"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if Healthy(found) || !Healthy(found[:2]) || !Healthy(nil) {
		t.Error("a problem makes it unhealthy, and nothing else does")
	}
}

func TestTry(t *testing.T) {
	try := func(err error) []Finding {
		return Try("x", "all is well", func(context.Context) error { return err }).Look(t.Context())
	}
	wants(t, try(nil), [2]string{"ok", "all is well"})
	wants(t, try(&fault.Error{Detail: "it is away", Hint: "call it back", Err: errors.New("why")}), [2]string{"problem", "it is away: why → call it back"})
	if found := try(errors.New("plain")); len(found) != 1 || found[0] != (Finding{Level: Problem, Detail: "plain"}) {
		t.Errorf("%+v", found)
	}
}

func TestSettings(t *testing.T) {
	wants(t, Settings(3, nil, nil).Look(t.Context()), [2]string{"ok", "all 3 are valid"})
	wrong := &fault.Error{Kind: fault.Unconfigured, Detail: "2 wrong settings:\n  - A\n  - B"}
	odd := []Setting{{"FERRYMAN_X", "no such setting (environment)"}, {"API_TOKEN", "is set, and wins"}}
	wants(t, Settings(3, odd, wrong).Look(t.Context()),
		[2]string{"problem", "2 wrong settings:   - A   - B → ferryman config show"},
		[2]string{"warning", "FERRYMAN_X: no such setting (environment) → correct the name"},
		[2]string{"warning", "API_TOKEN: is set, and wins → "})
}
