package httpapi

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"ferryman/internal/fault"
	"ferryman/internal/ledgerjson"
	"ferryman/internal/outbox"
)

// outboxCalls are the calls by which operators look after what leaves, in the
// order of the description.
func (s *Server) outboxCalls() []route {
	operators := byOperators()
	body := operators.withBody()
	all := []route{
		{"GET", "/api/v1/outbox", s.listChannels, operators, false},
		{"POST", "/api/v1/outbox/channels/{name}/pause", s.pauseChannel, body, false},
		{"POST", "/api/v1/outbox/channels/{name}/resume", s.resumeChannel, operators, false},
		{"POST", "/api/v1/outbox/replay", s.replay, body, false},
		{"GET", "/api/v1/deliveries", s.listDeliveries, operators, false},
		{"GET", "/api/v1/deliveries/{id}", s.readDelivery, operators, false},
		{"POST", "/api/v1/deliveries/{id}/cancel", s.cancelDelivery, operators, false},
		{"POST", "/api/v1/deliveries/{id}/retry", s.retryDelivery, operators, false},
	}
	for i, rt := range all {
		all[i].answer = asDescribed(rt, timely(s.o.AdminTime, rt.answer))
	}
	return all
}

// channelShown is how a channel stands, as it is listed.
type channelShown struct {
	Name        string          `json:"name"`
	Configured  bool            `json:"configured"`
	PausedBy    *string         `json:"paused_by"` // person or fault
	PausedAt    ledgerjson.Time `json:"paused_at"`
	PauseReason *string         `json:"pause_reason"`
	HeldUntil   ledgerjson.Time `json:"held_until"`
	Waiting     int64           `json:"waiting"`
	Due         int64           `json:"due"`
	OldestDueAt ledgerjson.Time `json:"oldest_due_at"`
	Sending     int64           `json:"sending"`
	DeadLetters int64           `json:"dead_letters"`
	Totals      channelTotals   `json:"totals"`
}

type channelTotals struct {
	Sent      int64 `json:"sent"`
	Failed    int64 `json:"failed"`
	Retried   int64 `json:"retried"`
	Uncertain int64 `json:"uncertain"`
	Expired   int64 `json:"expired"`
}

func channelOf(c *outbox.ChannelStats) channelShown {
	return channelShown{
		c.Name, c.Configured, ledgerjson.OrNull(c.PausedBy), ledgerjson.Time(c.PausedAt), ledgerjson.OrNull(c.PauseReason), ledgerjson.Time(c.HeldUntil),
		c.Waiting, c.Due, ledgerjson.Time(c.OldestDue), c.Sending, c.Failed,
		channelTotals{c.Totals.Sent, c.Totals.Failed, c.Totals.Retried, c.Totals.Uncertain, c.Totals.Expired},
	}
}

func (s *Server) listChannels(r *http.Request) (reply, error) {
	all, err := s.o.Outbox.Stats(r.Context())
	if err != nil {
		return reply{}, err
	}
	shown := make([]channelShown, len(all))
	for i := range all {
		shown[i] = channelOf(&all[i])
	}
	return ok(struct {
		Data []channelShown `json:"data"`
	}{shown})
}

var errNoChannel = &fault.Error{
	Kind: fault.NotFound, Code: "no_channel", Detail: "there is no such channel",
	Hint: "a channel is called telegram, viber, whatsapp or webhook/NAME; write the slash as it is or as %2F",
}

// channelAsked is the channel that the path names, in one segment or in two.
func channelAsked(r *http.Request) (string, error) {
	kind, name := r.PathValue("kind"), r.PathValue("name")
	if kind != "" {
		name = kind + "/" + name
	}
	webhook, of := strings.CutPrefix(name, "webhook/")
	if of && webhookName(webhook) || slices.Contains([]string{"telegram", "viber", "whatsapp"}, name) {
		return name, nil
	}
	return "", errNoChannel
}

func webhookName(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 100
}

// showChannel answers with how a channel stands.
func (s *Server) showChannel(r *http.Request, name string) (reply, error) {
	all, err := s.o.Outbox.Stats(r.Context())
	if err != nil {
		return reply{}, err
	}
	i := slices.IndexFunc(all, func(c outbox.ChannelStats) bool { return c.Name == name })
	if i < 0 {
		return reply{}, errNoChannel
	}
	return ok(channelOf(&all[i]))
}

func (s *Server) pauseChannel(r *http.Request) (reply, error) {
	name, err := channelAsked(r)
	if err != nil {
		return reply{}, err
	}
	body, err := jsonBody(r)
	if err != nil {
		return reply{}, err
	}
	f, err := readOwnForm(body, nil, "reason")
	if err != nil {
		return reply{}, err
	}
	f.require("reason")
	reason := f.text("reason", maxReason)
	if reason == "" && f.given("reason") {
		f.fail("reason", "blank", "must say why")
	}
	if err := f.fault(); err != nil {
		return reply{}, err
	}
	if err := s.o.Outbox.Pause(r.Context(), name, reason); err != nil {
		return reply{}, err
	}
	return s.showChannel(r, name)
}

func (s *Server) resumeChannel(r *http.Request) (reply, error) {
	name, err := channelAsked(r)
	if err != nil {
		return reply{}, err
	}
	if err := s.o.Outbox.Resume(r.Context(), name); err != nil {
		return reply{}, err
	}
	return s.showChannel(r, name)
}

// maxReplay is how many dead letters one call may name by their ids.
const maxReplay = 1000

func (s *Server) replay(r *http.Request) (reply, error) {
	body, err := jsonBody(r)
	if err != nil {
		return reply{}, err
	}
	f, err := readOwnForm(body, nil, "ids", "from", "to", "channel", "code", "since", "all")
	if err != nil {
		return reply{}, err
	}
	sel := outbox.Selection{Channel: f.text("channel", maxText), Code: f.text("code", maxText), Since: f.time("since"), All: f.truth("all")}
	sel.From, _ = f.whole("from", 1, math.MaxInt64)
	sel.To, _ = f.whole("to", 1, math.MaxInt64)
	if f.given("ids") {
		sel.IDs = idsOf(f, body)
	}
	if err := f.fault(); err != nil {
		return reply{}, err
	}
	if sel.IDs == nil && sel.From == 0 && sel.To == 0 && sel.Channel == "" && sel.Code == "" && sel.Since.IsZero() && !sel.All {
		f.fail("", "required", "must say which dead letters: by ids, from, to, channel, code, since, or all")
		return reply{}, f.fault()
	}
	n, err := s.o.Outbox.Replay(r.Context(), sel)
	if err != nil {
		return reply{}, err
	}
	return ok(struct {
		Replayed int64 `json:"replayed"`
	}{n})
}

// idsOf reads the ids of a body that is an object.
func idsOf(f form, body []byte) []int64 {
	var asked struct {
		IDs []int64 `json:"ids"`
	}
	if err := json.Unmarshal(body, &asked); err != nil || asked.IDs == nil {
		f.fail("ids", "type", "must be an array of ids")
		return nil
	}
	if n := len(asked.IDs); n == 0 || n > maxReplay {
		f.fail("ids", "length", fmt.Sprintf("must have 1 to %d elements", maxReplay))
	}
	return asked.IDs
}
