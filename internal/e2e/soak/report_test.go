package soak

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// columns are how many stretches the report's tables have.
const columns = 12

// write writes the report.
func (s *samples) write(t *testing.T, file string, d time.Duration, witnesses []*witness, p *people) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `# Soak

`+"`make soak`"+`, which writes this page: two nodes on one PostgreSQL and one on SQLite, with databases of their default durability,
for %s on a machine that they share with the witnesses and with whatever else it did. The witnesses share no code with Ferryman. All the
while each store had

- %d starts of crons a second, each followed by two messages and an end, from one node to the next; one in 50 ends badly, of which somebody is told,
- %d messages a second to %d people, in lists of %d, each for 1.5 s later,
- a warehouse sync and a contact sync a minute (300 contacts, of which one changes every two seconds), into PostgreSQL and into SQLite,
- a page of the dashboard every seven seconds, and its live stream on each node.

Of each cron %d executions were kept, what comes in a sixth of the time. Attempts, alerts and jobs are kept for a day: what was older than a sixth
of the time was made to look a day older, once, so that its coming and going is seen within the hour. Of syncs %d runs were kept, and each node
had a pool of %d connections. Each sample was taken from outside, every ten
seconds; the tables have medians of %s each.

## Lost or twice

| | executions ended | messages accepted | arrived | twice | calls | not answered well |
|---|---|---|---|---|---|---|
`, spoken(d), runs, lists*perList, recipients, perList, keepRuns(d), keepSyncs, pool, spoken(d/columns))
	for _, w := range witnesses {
		twice := 0
		for _, one := range p.twice {
			if strings.HasPrefix(one, w.s.name) {
				twice++
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %s | %d |\n", title(w.s.name), grouped(len(w.ended)), grouped(w.accepted),
			grouped(p.distinct(w.s.name)), twice, grouped(w.calls), w.failed)
	}
	b.WriteString(`
All executions that are still kept were compared with what was acknowledged, the tally of all with the number of ends, and the runs of the
syncs with the minutes. Nothing else stood in the stores.

## What has to stay flat

*Growth* is that of the last two thirds, by the slope of Theil and Sen (the median of the slopes between any two samples); *allowed* is what the test
lets pass.
`)
	s.tables(&b, d, false)
	b.WriteString(`
## What grows, or may

Messages to people are kept for ever, since each goes out once; CPU is the seconds used so far, on all cores.
`)
	s.tables(&b, d, true)
	fmt.Fprintf(&b, "\nAll of it together took %s.\n", s.load())
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load is what share of a core each part took, from the first sample to the last.
func (s *samples) load() string {
	var parts []string
	for _, one := range s.all {
		if one.what != "CPU" {
			continue
		}
		first, last := 0, len(s.at)-1
		share := (one.values[last] - one.values[first]) / (s.at[last] - s.at[first]).Seconds()
		parts = append(parts, fmt.Sprintf("%.1f %% of a core for %s", 100*share, title(one.of)))
	}
	return strings.Join(parts, ", ")
}

// tables writes the series that should grow, or those that should not: a table each of
// what they are of.
func (s *samples) tables(b *strings.Builder, d time.Duration, grows bool) {
	written := map[string]bool{}
	for _, first := range s.all {
		if first.bound.grows != grows || written[first.of] {
			continue
		}
		written[first.of] = true
		fmt.Fprintf(b, "\n%s, by minutes:\n\n| ", title(first.of))
		for i := range columns {
			fmt.Fprintf(b, "| %s ", strconv.FormatFloat(d.Minutes()*float64(i+1)/columns, 'f', -1, 64))
		}
		if grows {
			b.WriteString("|\n|---" + strings.Repeat("|---", columns) + "|\n")
		} else {
			b.WriteString("| growth | allowed |\n|---" + strings.Repeat("|---", columns+2) + "|\n")
		}
		for _, one := range s.all {
			if one.of == first.of && one.bound.grows == grows {
				s.row(b, one, d)
			}
		}
	}
}

func (s *samples) row(b *strings.Builder, one *series, d time.Duration) {
	b.WriteString("| " + one.what)
	if one.unit != "" {
		b.WriteString(", " + one.unit)
	}
	for i := range columns {
		fmt.Fprintf(b, " | %s", short(s.within(one, d*time.Duration(i)/columns, d*time.Duration(i+1)/columns)))
	}
	if !one.bound.grows {
		trend := trendOf(s.at, one.values, d/3)
		fmt.Fprintf(b, " | %+.2f | %s", trend.growth, short(one.bound.most(trend.median)))
	}
	b.WriteString(" |\n")
}

// within is the median of what was seen in a stretch of time.
func (s *samples) within(one *series, from, to time.Duration) float64 {
	var values []float64
	for i, v := range one.values {
		if s.at[i] > from && s.at[i] <= to && !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return math.NaN()
	}
	return median(values)
}

// short writes a number with as many digits as matter.
func short(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v >= 1000:
		return grouped(int(math.Round(v)))
	case v >= 100 || v == math.Round(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// grouped writes a number with commas between its thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func spoken(d time.Duration) string {
	if d >= time.Minute {
		return strconv.FormatFloat(d.Minutes(), 'f', -1, 64) + " minutes"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " seconds"
}

func title(store string) string {
	return strings.NewReplacer("postgres", "PostgreSQL", "sqlite", "SQLite", "messages", "Messages").Replace(store)
}
