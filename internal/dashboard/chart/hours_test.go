package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// elements counts the elements of a drawing, which must be well-formed and have no
// attribute that the policy of pages refuses.
func elements(t *testing.T, drawing string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(drawing))
	d.Strict = false // some attributes have no value, as HTML has it
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return counts
		}
		if err != nil {
			t.Fatalf("%v in %s", err, drawing)
		}
		if e, is := token.(xml.StartElement); is {
			counts[e.Name.Local]++
			for _, a := range e.Attr {
				if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("an attribute %s", a.Name.Local)
				}
				if a.Name.Local == "class" {
					counts["."+a.Value]++
				}
			}
		}
	}
}

func TestHours(t *testing.T) {
	t.Parallel()
	h := Hours{
		Label: `"quoted" <label>`, From: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), Zone: time.UTC,
		Count: func(n int64) string { return strconv.FormatInt(n, 10) },
		Series: []Series{
			{Class: "ok", Word: "sent", Values: []int64{10, 0, 1_000_000}}, {Class: "failed", Word: "<failed>", Values: []int64{0, 0, 1}},
		},
	}
	full := string(h.Draw())
	// Two bars with something in them; each class once more in the legend.
	if n := elements(t, full); n["g"] != 2 || n[".ok"] != 3 || n[".failed"] != 2 || n["title"] != 2 {
		t.Errorf("%v in %s", n, full)
	}
	for _, want := range []string{"2 Jan 00:00: 10 sent", "2 Jan 02:00: 1000000 sent, 1 &lt;failed&gt;", "&#34;quoted&#34; &lt;label&gt;"} {
		if !strings.Contains(full, want) {
			t.Errorf("%q is not in %s", want, full)
		}
	}
	h.Bare = true
	if n := elements(t, string(h.Draw())); n["text"] != 0 || n[".ok"] != 2 {
		t.Errorf("bare: %v", n)
	}
	for _, none := range []Hours{{Zone: time.UTC, Count: h.Count}, {Zone: time.UTC, Count: h.Count, Series: []Series{{Values: make([]int64, 24)}}}} {
		if n := elements(t, string(none.Draw())); n["svg"] != 1 || n["g"] != 0 {
			t.Errorf("of nothing: %v", n)
		}
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	h := Histogram{Label: "due <when>", Buckets: []Bucket{
		{Label: "overdue", Class: "late", Count: 100_000, Said: "more than 100 000"}, {Label: "< 1 min", Class: "running", Count: 1, Said: "1"},
		{Label: "later", Class: "running", Said: "0"},
	}}
	drawing := string(h.Draw())
	if n := elements(t, drawing); n["path"] != 2 || n["text"] != 6 || n[".late"] != 1 || n[".running"] != 1 {
		t.Errorf("%v in %s", n, drawing)
	}
	for _, want := range []string{"more than 100 000", "&lt; 1 min", "due &lt;when&gt;"} {
		if !strings.Contains(drawing, want) {
			t.Errorf("%q is not in %s", want, drawing)
		}
	}
	if n := elements(t, string(Histogram{}.Draw())); n["svg"] != 1 {
		t.Errorf("of nothing: %v", n)
	}
}
