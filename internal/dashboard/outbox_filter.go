package dashboard

import (
	"strings"
	"unicode"

	"ferryman/internal/outbox"
	"ferryman/internal/params"
)

// deliveriesAsked is what the address of the list of deliveries asks for.
type deliveriesAsked struct {
	filter outbox.Filter

	Channel   string
	State     string
	Topic     string
	Recipient string
	States    []chip
	Topics    []chip
}

// Narrowed tells whether not all deliveries were asked for.
func (a deliveriesAsked) Narrowed() bool {
	return a.Channel != "" || a.State != "" || a.Topic != "" || a.Recipient != ""
}

// deliveryStates are the public names of states, with the states that have them.
var deliveryStates = []struct {
	word, value string
	states      []outbox.State
}{
	{"All", "", nil},
	{"Scheduled", "scheduled", []outbox.State{outbox.Waiting, outbox.Behind}},
	{"Sending", "sending", []outbox.State{outbox.Sending}},
	{"Sent", "sent", []outbox.State{outbox.Sent}},
	{"Dead letters", "failed", []outbox.State{outbox.Failed}},
	{"Cancelled", "cancelled", []outbox.State{outbox.Cancelled}},
	{"Expired", "expired", []outbox.State{outbox.Expired}},
}

// deliveryTopics are what deliveries are about.
var deliveryTopics = []struct {
	word, value string
	topics      []outbox.Topic
}{
	{"All", "", nil},
	{"Messages", "message", []outbox.Topic{outbox.Message}},
	{"Alerts", "alert", []outbox.Topic{outbox.Alert}},
	{"Contacts", "contact", []outbox.Topic{outbox.Contact}},
}

func topicWord(t outbox.Topic) string {
	for _, known := range deliveryTopics {
		if len(known.topics) == 1 && known.topics[0] == t {
			return known.value
		}
	}
	return "other"
}

// readDeliveriesAsked reads ?channel=&state=&topic=&recipient=&before=.
func readDeliveriesAsked(r *request) (a deliveriesAsked, err error) {
	a.filter.Limit = deliveriesOnPage
	var values []string
	for _, s := range deliveryStates {
		values = append(values, s.value)
	}
	if a.State, err = params.Word(r.query, "state", values...); err != nil {
		return a, err
	}
	for _, s := range deliveryStates {
		a.States = append(a.States, chip{Word: s.word, Link: with(r.query, "outbox", "state", s.value, "before", ""), On: s.value == a.State})
		if s.value == a.State {
			a.filter.States = s.states
		}
	}
	values = nil
	for _, t := range deliveryTopics {
		values = append(values, t.value)
	}
	if a.Topic, err = params.Word(r.query, "topic", values...); err != nil {
		return a, err
	}
	for _, t := range deliveryTopics {
		a.Topics = append(a.Topics, chip{Word: t.word, Link: with(r.query, "outbox", "topic", t.value, "before", ""), On: t.value == a.Topic})
		if t.value == a.Topic {
			a.filter.Topics = t.topics
		}
	}
	if a.Channel, _, err = r.query.Text("channel", maxAsked); err != nil {
		return a, err
	}
	if a.Recipient, _, err = r.query.Text("recipient", maxAsked); err != nil {
		return a, err
	}
	a.Recipient = strings.TrimSpace(a.Recipient)
	a.filter.Channel, a.filter.Recipient = a.Channel, a.Recipient
	a.filter.Before, err = r.query.ID("before")
	return a, err
}

// inOneLine is a text without its breaks, cut to so many bytes.
func inOneLine(s string, most int) string {
	s = cut(s, 4*most) // before its words are looked at: it may be long
	return cut(strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " "), most)
}
