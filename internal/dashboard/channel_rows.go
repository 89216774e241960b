package dashboard

import (
	"context"
	"html/template"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"ferryman/internal/endpoint"
	"ferryman/internal/fault"
	"ferryman/internal/outbox"
	"ferryman/internal/push"
)

const (
	webhookChannels = "webhook/" // and the webhook's name
	dayHours        = 24
	channelsShown   = 50 // on a page with what they do; of more, the names alone
)

// messengers are the channels that are there whether or not they are set up.
func messengers() []string {
	return []string{push.Telegram.String(), push.Viber.String(), push.WhatsApp.String()}
}

// channelRow is a channel and how it stands.
type channelRow struct {
	Name     string
	Kind     string   // messenger, webhook, or "" for what else posts
	State    string   // ok, paused, resting or unset, as marks have it
	Missing  []string // settings of this node, if it is not set up
	Standing outbox.Standing

	Due     []upTo // what waits for its time: one of each of dueEdges
	Behind  upTo   // waits for another
	Waiting upTo   // both
	Sending upTo
	Dead    upTo

	Hours []outbox.Totals // of the last day, the last being the one that goes on
	Day   outbox.Totals   // of all of these
	Ever  outbox.Totals
	Spark template.HTML // the hours as a drawing for a line of a table
}

// dueEdges are the edges of the histogram of what waits, and dueWords what its
// buckets are called.
func dueEdges() []time.Duration {
	return []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 100 * 365 * 24 * time.Hour}
}

func dueWords() []string {
	return []string{"overdue", "< 1 min", "< 1 h", "< 24 h", "< 7 d", "later"}
}

// upTo is a count of the outbox, which counts up to a bound.
type upTo struct {
	N    int64
	More bool // so many or more
}

func counted(n int64) upTo { return upTo{n, n >= outbox.MostCounted} }

func (c upTo) plus(other upTo) upTo { return upTo{c.N + other.N, c.More || other.More} }

// String is the count in words.
func (c upTo) String() string {
	if c.More {
		return "at least " + wholeNumber(c.N)
	}
	return wholeNumber(c.N)
}

// Overdue is what is due already.
func (c *channelRow) Overdue() upTo { return c.Due[0] }

// PerHour is how many were sent in an hour of the last day, on average: in two digits
// if they are few.
func (c *channelRow) PerHour() string {
	rate := float64(c.Day.Sent) / dayHours
	if rate < 10 {
		return strconv.FormatFloat(rate, 'g', 2, 64)
	}
	return wholeNumber(int64(math.Round(rate)))
}

// newChannelRow is a channel of which nothing is known yet.
func newChannelRow(name string) *channelRow {
	return &channelRow{Name: name, Due: make([]upTo, len(dueEdges())), Hours: make([]outbox.Totals, dayHours)}
}

// load takes over what the channel has to do.
func (c *channelRow) load(l outbox.Load) {
	c.Behind, c.Sending, c.Dead = counted(l.Behind), counted(l.Sending), counted(l.Failed)
	c.Waiting = c.Behind
	for i, n := range l.Due {
		c.Due[i] = counted(n)
		c.Waiting = c.Waiting.plus(c.Due[i])
	}
}

// add adds another channel's numbers.
func (c *channelRow) add(other channelRow) {
	for i := range other.Due {
		c.Due[i] = c.Due[i].plus(other.Due[i])
	}
	for i := range other.Hours {
		plus(&c.Hours[i], other.Hours[i])
	}
	c.Behind, c.Waiting = c.Behind.plus(other.Behind), c.Waiting.plus(other.Waiting)
	c.Sending, c.Dead = c.Sending.plus(other.Sending), c.Dead.plus(other.Dead)
	plus(&c.Day, other.Day)
	plus(&c.Ever, other.Ever)
}

func plus(to *outbox.Totals, n outbox.Totals) {
	to.Sent, to.Failed, to.Retried = to.Sent+n.Sent, to.Failed+n.Failed, to.Retried+n.Retried
	to.Uncertain, to.Expired = to.Uncertain+n.Uncertain, to.Expired+n.Expired
}

// channelRows gives all channels: messengers, then webhooks and others by name.
func (d *Dashboard) channelRows(r *request) ([]channelRow, error) {
	ctx, box := r.Context(), d.o.Outbox
	standing, err := box.Standing(ctx)
	if err != nil {
		return nil, err
	}
	loads, err := d.loads.get(ctx, func(ctx context.Context) ([]outbox.Load, error) { return box.Loads(ctx, dueEdges()) })
	if err != nil {
		return nil, err
	}
	hours, err := box.Hours(ctx, "", dayBegin(r.now))
	if err != nil {
		return nil, err
	}
	totals, err := box.Totals(ctx)
	if err != nil {
		return nil, err
	}
	hooks, err := d.webhooks(ctx)
	if err != nil {
		return nil, err
	}
	of := map[string]*channelRow{}
	row := func(name string) *channelRow {
		if of[name] == nil {
			of[name] = newChannelRow(name)
		}
		return of[name]
	}
	for _, name := range messengers() {
		row(name).Kind, row(name).Missing = "messenger", d.o.Missing[name]
	}
	for _, w := range hooks {
		row(webhookChannels + w.Name)
	}
	for name, s := range standing {
		row(name).Standing = s
	}
	for _, l := range loads {
		row(l.Channel).load(l)
	}
	for name, n := range totals {
		row(name).Ever = n
	}
	for _, h := range hours {
		if i := int(h.At.Sub(dayBegin(r.now)) / time.Hour); i >= 0 && i < dayHours {
			plus(&row(h.Channel).Hours[i], h.Totals)
			plus(&row(h.Channel).Day, h.Totals)
		}
	}
	rows := make([]channelRow, 0, len(of))
	for _, name := range append(messengers(), slices.Sorted(maps.Keys(of))...) {
		if c := of[name]; c != nil {
			c.judge()
			c.Spark = c.hoursChart(r, true)
			rows = append(rows, *c)
			delete(of, name)
		}
	}
	return rows, nil
}

// judge says in which state the channel is, and of which kind.
func (c *channelRow) judge() {
	if strings.HasPrefix(c.Name, webhookChannels) {
		c.Kind = "webhook"
	}
	switch {
	case c.Standing.PausedBy != "":
		c.State = "paused"
	case !c.Standing.Configured:
		c.State = "unset"
	case !c.Standing.HeldUntil.IsZero():
		c.State = "resting"
	default:
		c.State = "ok"
	}
}

// webhooks gives all webhooks; none if the store's were sealed with another
// secret: channels can be shown without them.
func (d *Dashboard) webhooks(ctx context.Context) ([]endpoint.Webhook, error) {
	all, err := d.o.Webhooks.List(ctx)
	if fault.CodeOf(err) == endpoint.ErrSecretDiffers.Code {
		return nil, nil
	}
	return all, err
}

// dayBegin is when the first hour began of those that a page shows.
func dayBegin(now time.Time) time.Time {
	return now.UTC().Truncate(time.Hour).Add(-(dayHours - 1) * time.Hour)
}
