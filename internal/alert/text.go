package alert

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"ferryman/internal/ledger"
)

const (
	maxText = 1000 // characters of a message
	// An event is old if it could not be told for so long, as while no server ran.
	old = 24 * time.Hour
	// How many events of a summary are named.
	maxNamed = 10
)

// text is a message of one event: a line that says it all, and what else is known.
func (z zones) text(n *ledger.News, now time.Time) string {
	s := z.title(n)
	if n.Detail != "" && n.Kind != ledger.EventMissed { // its title says the same
		s += "\n" + n.Detail
	}
	if late := now.Sub(n.At); late > old {
		return cut(s, "\nThis is old: it happened "+span(late)+" ago and could not be told before.")
	}
	return cut(s, "")
}

// title is what happened, in a line.
func (z zones) title(n *ledger.News) string {
	name, at := n.App+"/"+n.Slug, z.show(n, n.At)
	switch n.Kind {
	case ledger.EventMissed:
		s := name + " missed: expected " + z.show(n, n.Since)
		if n.Repeats > 1 {
			s += fmt.Sprintf(" and %d more times", n.Repeats-1)
		}
		return s + ", not started by " + at
	case ledger.EventOverdue:
		return name + " overdue: not done by " + z.show(n, n.Since)
	case ledger.EventFailing:
		return name + " failing since " + z.show(n, n.Since)
	case ledger.EventRecovered:
		return name + " recovered at " + at + " (" + past(n.Subject) + " for " + span(n.At.Sub(n.Since)) + ")"
	default:
		return name + " " + string(n.Kind) + " at " + at
	}
}

func past(trouble ledger.EventKind) string {
	if trouble == ledger.EventMissed {
		return "had not started"
	}
	return "was " + string(trouble)
}

// summary is a message of many events: how many of which kind, and the first of
// them.
func (z zones) summary(news []*ledger.News) string {
	counts, crons := map[ledger.EventKind]int{}, map[int64]bool{}
	for _, n := range news {
		counts[n.Kind]++
		crons[n.CronID] = true
	}
	var kinds []string
	for _, kind := range Kinds() {
		if counts[kind] > 0 {
			kinds = append(kinds, fmt.Sprintf("%d %s", counts[kind], kind))
		}
	}
	s := fmt.Sprintf("%d events of %d crons: %s", len(news), len(crons), strings.Join(kinds, ", "))
	if len(crons) == 1 {
		s = strings.Replace(s, "1 crons", "1 cron", 1)
	}
	rest := ""
	for i := range maxNamed {
		next := s + "\n" + z.title(news[i])
		more := fmt.Sprintf("\n… and %d more; see ferryman cron list", len(news)-i-1)
		if utf8.RuneCountInString(next)+utf8.RuneCountInString(more) > maxText {
			break
		}
		s, rest = next, more
	}
	return s + rest
}

// cut bounds a message that ends with end.
func cut(s, end string) string {
	most := maxText - utf8.RuneCountInString(end)
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most-1]) + "…"
	}
	return s + end
}

// zones are time zones by name. One that this machine does not know is UTC.
type zones map[string]*time.Location

// show is a time in the zone of an event's cron.
func (z zones) show(n *ledger.News, t time.Time) string {
	at, known := z[n.Zone]
	if !known {
		var err error
		if at, err = time.LoadLocation(n.Zone); err != nil {
			at = time.UTC
		}
		z[n.Zone] = at
	}
	layout := "2006-01-02 15:04 MST"
	if t.Second() != 0 {
		layout = "2006-01-02 15:04:05 MST"
	}
	return t.In(at).Format(layout)
}

// span is a length of time by its two largest units.
func span(d time.Duration) string {
	units := []struct {
		name string
		long time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.long {
			continue
		}
		s := fmt.Sprintf("%d %s", d/u.long, u.name)
		if i+1 < len(units) {
			if next := units[i+1]; d%u.long >= next.long {
				s += fmt.Sprintf(" %d %s", d%u.long/next.long, next.name)
			}
		}
		return s
	}
	return "less than 1 s"
}
