package chart_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"ferryman/internal/dashboard/chart"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares a drawing, an element a line, with a file.
func golden(t *testing.T, name string, drawings ...any) {
	t.Helper()
	var b strings.Builder
	for _, d := range drawings {
		text := strings.ReplaceAll(fmt.Sprint(d), "><", ">\n<")
		wellFormed(t, text)
		b.WriteString(text + "\n")
	}
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s is not as it was (go test -update writes it anew):\n%s", name, b.String())
	}
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, " data-arrows ", ` data-arrows="" `)
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
	}
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return since.Add(time.Duration(minutes) * time.Minute) }
	line := chart.Timeline{Since: since, Until: at(24 * 60), Now: at(21 * 60), Zone: zone(t, "Europe/Berlin")}
	run := func(result chart.Result, from, took int) chart.Run {
		return chart.Run{
			Result: result, At: at(from), Took: time.Duration(took) * time.Minute, Label: string(result) + ` <&"'>`,
			Href: fmt.Sprintf("/ui/runs/%d", from),
		}
	}
	golden(t, "timeline_axis.svg", line.Axis(`from <a> to "b"`))
	golden(t, "timeline_signs.svg", chart.TimelineSigns(), chart.Sample(chart.OK), chart.Sample(chart.Warned), chart.Sample(chart.Cancelled),
		chart.Sample(chart.Missed), chart.SampleOfExpected(), chart.SampleOfBand())
	golden(t, "timeline_runs.svg", chart.Track{
		Label: `one <&">`,
		Runs: []chart.Run{
			run(chart.OK, -60, 90), run(chart.Warned, 60, 30), run(chart.Failed, 70, 30), run(chart.TimedOut, 80, 60), run(chart.Missed, 200, 0),
			run(chart.Refused, 201, 0), run(chart.Cancelled, 300, 1), run(chart.OK, 400, 0), run(chart.Running, 1200, 60),
		},
		Expected: []time.Time{at(-1), at(0), at(1439), at(1440)},
		Steady:   []chart.Band{{Since: at(1300), Until: at(1500), Label: "every <minute>"}},
		Bands:    []chart.Band{{Since: at(100), Until: at(200), Label: `moving "house"`}, {Since: at(-20), Until: at(0), Label: "before"}},
	}.Draw(line))
	golden(t, "timeline_blocks.svg", chart.Track{
		Label: "two",
		Blocks: []chart.Block{
			{Since: at(-30), Until: at(30), Result: chart.OK, Count: 1, Label: "<one>", Href: "/ui/a?b&c"},
			{Since: at(30), Until: at(90), Result: chart.Failed, Count: 60, Label: "many", Href: "/ui/b"},
			{Since: at(90), Until: at(150), Result: chart.TimedOut, Count: 3600, Label: "very many"},
		},
	}.Draw(line))
	golden(t, "timeline_running.svg", chart.Track{
		Label:  "what runs above what has ended",
		Runs:   []chart.Run{run(chart.Running, 60, 1200), run(chart.Running, 120, 1140)},
		Blocks: []chart.Block{{Since: at(30), Until: at(90), Result: chart.OK, Count: 60, Label: "many", Href: "/ui/b"}},
	}.Draw(line))
	golden(t, "timeline_nothing.svg", chart.Track{Label: "three"}.Draw(line))
}

// The tabulator stops at the last link of a track, and at no other.
func TestOneStopInATrack(t *testing.T) {
	t.Parallel()
	now := time.Now()
	line := chart.Timeline{Since: now.Add(-time.Hour), Until: now, Now: now, Zone: time.UTC}
	for n := range 4 {
		track := chart.Track{Label: "one"}
		for i := range n {
			track.Runs = append(track.Runs, chart.Run{Result: chart.OK, At: now.Add(-time.Minute), Href: fmt.Sprintf("/%d", i)})
		}
		drawn := string(track.Draw(line))
		if links, skipped := strings.Count(drawn, "<a "), strings.Count(drawn, `tabindex="-1"`); links != n || skipped != max(n-1, 0) {
			t.Errorf("%d of %d links are skipped", skipped, links)
		}
		if group := strings.Contains(drawn, `role="group" data-arrows`); group != (n > 0) {
			t.Errorf("with %d links it is a group: %v", n, group)
		}
	}
}

// An hour that comes twice is named twice, and one that is left out is not.
func TestAxisAtChangesOfClocks(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	for name, one := range map[string]struct {
		since time.Time
		want  []string
	}{
		"put forward": {time.Date(2026, 3, 28, 23, 30, 0, 0, berlin), []string{">29 Mar<", ">01:00<", "!>02:00<", ">03:00<", "the clocks go from 02:00 to 03:00"}},
		"put back":    {time.Date(2026, 10, 24, 23, 30, 0, 0, berlin), []string{">25 Oct<", ">01:00<", ">02:00<", ">03:00<", "the clocks go from 03:00 to 02:00"}},
	} {
		axis := string(chart.Timeline{Since: one.since, Until: one.since.Add(6 * time.Hour), Zone: berlin}.Axis(name))
		for _, text := range one.want {
			unwanted, not := strings.CutPrefix(text, "!")
			if not == strings.Contains(axis, unwanted) {
				t.Errorf("%s: %q: %v in %s", name, unwanted, !not, axis)
			}
		}
		if twice := strings.Count(axis, ">02:00<"); name == "put back" && twice != 2 {
			t.Errorf("02:00 is named %d times: %s", twice, axis)
		}
	}
}
