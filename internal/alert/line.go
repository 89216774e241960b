package alert

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
)

const (
	// A messenger's recipient gets so many events one by one; of more that come at
	// once it gets a summary.
	oneByOne = 20
	// tellFor is how long an alert is worth sending.
	tellFor = 7 * 24 * time.Hour
)

// line is where alerts go to: a chat, or a webhook, that may be there for several
// reasons and is told of each event once.
type line struct {
	channel, address string
	reasons          []Recipient
}

func linesOf(recipients []Recipient) (lines []line) {
	for _, r := range recipients {
		i := slices.IndexFunc(lines, func(l line) bool { return l.channel == r.Channel && l.address == r.Address })
		if i < 0 {
			i, lines = len(lines), append(lines, line{channel: r.Channel, address: r.Address})
		}
		lines[i].reasons = append(lines[i].reasons, r)
	}
	return lines
}

// atOnce is how many events to take for these lines, so that one transaction does
// not become too large.
func atOnce(lines []line) int {
	webhooks := 0
	for _, l := range lines {
		if l.isWebhook() {
			webhooks++
		}
	}
	return takeMost / max(webhooks, 1)
}

func (l line) isWebhook() bool {
	_, ok := webhook(l.channel)
	return ok
}

// itemsOf are the deliveries that tell of the news, which are in their order.
func itemsOf(lines []line, news []ledger.News, now time.Time) (items []outbox.Item) {
	z := zones{}
	for _, l := range lines {
		wanted := l.wanted(news)
		switch {
		case l.isWebhook():
			for _, n := range wanted {
				// One that a webhook fails to take shall not hold up what is about other crons.
				items = append(items, l.item(body(n), fmt.Sprintf("alert cron %d", n.CronID), key(n), now))
			}
		case len(wanted) > oneByOne:
			items = append(items, l.item(z.summary(wanted), l.order(), keyOfAll(wanted), now))
		default:
			for _, n := range wanted {
				items = append(items, l.item(z.text(n, now), l.order(), key(n), now))
			}
		}
	}
	return items
}

// order is the key by which a chat gets everything in its order. A summary is about
// many crons, so that the key cannot be a cron's.
func (l line) order() string { return "alert " + l.address }

func (l line) item(payload, order string, dedupe []byte, now time.Time) outbox.Item {
	expires := now.Add(tellFor)
	return outbox.Item{
		Topic: outbox.Alert, Channel: l.channel, Recipient: l.address, Payload: payload, Dedupe: dedupe, OrderKey: order, ExpiresAt: &expires,
	}
}

// wanted are those of the news that are to be told here.
func (l line) wanted(news []ledger.News) (some []*ledger.News) {
	for i := range news {
		if slices.ContainsFunc(l.reasons, func(r Recipient) bool { return r.wants(&news[i]) }) {
			some = append(some, &news[i])
		}
	}
	return some
}

// key tells what happened from all else: a trouble of a cron, and its end, by when
// it began; what is about one execution by that.
func key(n *ledger.News) []byte {
	which := n.Since.UnixMicro()
	switch n.Kind {
	case ledger.EventOverdue, ledger.EventFailed, ledger.EventSucceeded:
		which = n.Execution
	}
	return digest(fmt.Sprintf("alert cron %d %s %s %d", n.CronID, n.Kind, n.Subject, which))
}

// keyOfAll tells a summary of just these events from all others.
func keyOfAll(news []*ledger.News) []byte {
	all := []byte("alerts")
	for _, n := range news {
		all = append(all, key(n)...)
	}
	return digest(string(all))
}

func digest(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:16]
}
