package chart_test

import (
	"encoding/xml"
	"errors"
	"html/template"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/dashboard/chart"
)

// results are all results of runs.
var results = []chart.Result{
	chart.OK, chart.Warned, chart.Failed, chart.TimedOut, chart.Running, chart.Cancelled, chart.Missed, chart.Refused,
}

// parsed are the elements of a drawing, by name, with their attributes; reading
// them shows that it is well formed.
func parsed(t interface {
	Fatalf(format string, args ...any)
}, drawn template.HTML) map[string][]map[string]string {
	all := map[string][]map[string]string{}
	for d := xml.NewDecoder(strings.NewReader(strings.ReplaceAll(string(drawn), " data-arrows", ` data-arrows=""`))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v in %s", err, drawn)
		}
		if e, ok := token.(xml.StartElement); ok {
			attributes := map[string]string{}
			for _, a := range e.Attr {
				attributes[a.Name.Local] = a.Value
			}
			all[e.Name.Local] = append(all[e.Name.Local], attributes)
		}
	}
}

func TestStripOfLinksHasOneTabStop(t *testing.T) {
	t.Parallel()
	var runs []chart.Run
	for i, r := range results {
		runs = append(runs, chart.Run{Result: r, Took: time.Duration(i) * time.Second, Label: string(r), Href: "/ui/runs/" + string('1'+rune(i))})
	}
	all := parsed(t, chart.Strip("Last runs", runs, 20))
	if svg := all["svg"][0]; svg["role"] != "group" || svg["aria-label"] != "Last runs" {
		t.Errorf("it is %v", svg)
	}
	if len(all["a"]) != len(results) || len(all["title"]) != len(results) {
		t.Fatalf("%d links and %d titles", len(all["a"]), len(all["title"]))
	}
	for i, a := range all["a"] {
		if stop := a["tabindex"] != "-1"; stop != (i == len(results)-1) {
			t.Errorf("the tabulator stops at %v: %v", a["href"], stop)
		}
	}
}

func TestStripKeepsTheNewest(t *testing.T) {
	t.Parallel()
	runs := []chart.Run{{Result: chart.OK, Label: "first"}, {Result: chart.OK, Label: "second"}, {Result: chart.OK, Label: "third"}}
	drawn := string(chart.Strip("", runs, 2))
	if strings.Contains(drawn, "first") || !strings.Contains(drawn, "second") || !strings.Contains(drawn, "third") {
		t.Error(drawn)
	}
	if !strings.Contains(drawn, `role="img"`) {
		t.Errorf("without links it is no picture: %s", drawn)
	}
}

// Colours aside, what came of two runs that took as long is told apart by shape.
func TestEachResultHasAShape(t *testing.T) {
	t.Parallel()
	for name, shape := range map[string]func(r chart.Result) string{
		"bar": func(r chart.Result) string {
			all := parsed(t, chart.Strip("", []chart.Run{{Result: r, Took: time.Second}}, 1))["path"]
			return all[1]["d"] + all[len(all)-1]["d"]
		},
		"point": func(r chart.Result) string {
			runs := []chart.Run{{Result: r, Took: time.Second}}
			all := parsed(t, chart.Durations{Runs: runs, Zone: time.UTC, Took: time.Duration.String}.Draw())["path"]
			if len(all) == 0 {
				return ""
			}
			return all[1]["d"]
		},
	} {
		seen := map[string]chart.Result{}
		for _, r := range results {
			s := shape(r)
			if other, taken := seen[s]; taken && s != "" {
				t.Errorf("as a %s, %s looks like %s", name, r, other)
			}
			seen[s] = r
		}
	}
}

// Whatever is drawn is well formed, says its texts as texts, and stays within its
// picture.
func TestDrawingsAreSafe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune(`<>"'& a/é`)))
		runs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) chart.Run {
			return chart.Run{
				Result: rapid.SampledFrom(results).Draw(t, "result"), Label: text.Draw(t, "label"), Href: text.Draw(t, "href"),
				At:   time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0),
				Took: time.Duration(rapid.Int64Range(0, int64(1000*24*time.Hour)).Draw(t, "took")),
			}
		}), 0, 30).Draw(t, "runs")
		lines := []chart.Line{{Class: "median", Label: text.Draw(t, "line"), Took: time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "median"))}}
		for _, drawn := range []template.HTML{
			chart.Strip(text.Draw(t, "name"), runs, 20),
			chart.Durations{Label: text.Draw(t, "name"), Runs: runs, Lines: lines, Zone: time.UTC, Took: time.Duration.String}.Draw(),
		} {
			for name, all := range parsed(t, drawn) {
				for _, a := range all {
					if _, styled := a["style"]; styled || name == "script" {
						t.Fatalf("%s has %v", name, a)
					}
				}
			}
			if strings.Contains(string(drawn), "NaN") || strings.Contains(string(drawn), "Inf") {
				t.Fatal(drawn)
			}
		}
	})
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	var all []time.Duration
	for i := 100; i > 0; i-- {
		all = append(all, time.Duration(i))
	}
	for _, c := range []struct {
		of    []time.Duration
		share float64
		want  time.Duration
	}{{nil, 0.5, 0}, {all, 0.5, 50}, {all, 0.95, 95}, {all, 0, 1}, {all, 1, 100}, {all[:1], 0.5, 100}, {all[:2], 0.5, 99}} {
		if got := chart.Quantile(c.of, c.share); got != c.want {
			t.Errorf("%v of %d is %d, and not %d", c.share, len(c.of), got, c.want)
		}
	}
}
