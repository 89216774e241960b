package pushclient

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
)

// Message is a message as the server tells of it.
type Message struct {
	ID            int64      `json:"id"`
	UserID        string     `json:"user_id"`
	Messenger     int        `json:"messenger_id"`
	Text          string     `json:"text"`
	StartAt       *time.Time `json:"start_at"`
	ExpiresAt     *time.Time `json:"expires_at"`
	State         string     `json:"state"`
	Attempts      int64      `json:"attempts"`
	SentAt        *time.Time `json:"sent_at"`
	LastError     string     `json:"last_error"`
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	Held          string     `json:"held"` // why its messenger does not send now; "" if it does

	JSON jsontext.Value `json:"-"` // all of it, as the server wrote it
}

// UnmarshalJSON keeps the JSON beside what is read from it.
func (m *Message) UnmarshalJSON(b []byte) error {
	type fields Message
	if err := json.Unmarshal(b, (*fields)(m)); err != nil {
		return err
	}
	m.JSON = bytes.Clone(b)
	return nil
}

// Draft is a message to be stored. The server judges its fields.
type Draft struct {
	UserID    string `json:"user_id"`
	Messenger string `json:"messenger_id"` // a number of the API; see MessengerID
	Text      string `json:"text"`
	StartAt   string `json:"start_at,omitempty"`   // as the API has times; "" is at once
	ExpiresAt string `json:"expires_at,omitempty"` // "" is never
}

// Messengers are the names of the API's numbers, from 0 on.
func Messengers() []string { return []string{"viber", "telegram", "whatsapp"} }

// MessengerID is the API's number for a name, or for the number itself.
func MessengerID(name string) (string, bool) {
	for n, known := range Messengers() {
		if id := strconv.Itoa(n); strings.EqualFold(name, known) || name == id {
			return id, true
		}
	}
	return "", false
}

// MessengerName is the name of a number, or the number if it has none.
func MessengerName(n int) string {
	if names := Messengers(); n >= 0 && n < len(names) {
		return names[n]
	}
	return strconv.Itoa(n)
}

// post stores n messages, all or none, and gives their ids. A call with the same
// key stores nothing more and gives the same.
func (c *Client) post(ctx context.Context, body []byte, n int, key string) ([]int64, error) {
	answer, _, err := c.do(ctx, call{method: http.MethodPost, header: http.Header{"Idempotency-Key": {key}}, body: body})
	if err != nil {
		return nil, err
	}
	var stored []struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(answer, &stored); err != nil {
		return nil, notUnderstood(err)
	}
	if len(stored) != n {
		return nil, notUnderstood(fmt.Errorf("it has %d messages, and %d were sent", len(stored), n))
	}
	ids := make([]int64, n)
	for i, m := range stored {
		ids[i] = m.ID
	}
	return ids, nil
}

// joined is a JSON array.
func joined(list []jsontext.Value) []byte {
	size := 2 + len(list)
	for _, v := range list {
		size += len(v)
	}
	body := append(make([]byte, 0, size), '[')
	for i, v := range list {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, v...)
	}
	return append(body, ']')
}

// Filter selects messages; the zero value of a field lets all pass.
type Filter struct {
	State     string
	Messenger string // a number of the API; see MessengerID
	UserID    string
	After     int64 // only ids above it
	Limit     int   // at most MaxPage; the server's choice if 0
}

// MaxPage is how many messages one page can have.
const MaxPage = 1000

// List gives a page of messages, oldest first, and whether there are more.
func (c *Client) List(ctx context.Context, f Filter) (page []Message, more bool, err error) {
	query := url.Values{}
	for name, value := range map[string]string{"state": f.State, "messenger_id": f.Messenger, "user_id": f.UserID} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if f.After != 0 {
		query.Set("after", strconv.FormatInt(f.After, 10))
	}
	if f.Limit != 0 {
		query.Set("limit", strconv.Itoa(f.Limit))
	}
	answer, header, err := c.do(ctx, call{method: http.MethodGet, query: query})
	if err != nil {
		return nil, false, err
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return nil, false, notUnderstood(err)
	}
	return page, strings.Contains(header.Get("Link"), `rel="next"`), nil
}

// findPages bounds a search.
const findPages = 10

// Find looks for the message that keeps a draft from being stored, among the first
// ten thousand to the same person.
func (c *Client) Find(ctx context.Context, d Draft) (m Message, found bool, err error) {
	f := Filter{Messenger: d.Messenger, UserID: strings.TrimSpace(d.UserID), Limit: MaxPage}
	for range findPages {
		page, more, err := c.List(ctx, f)
		if err != nil {
			return Message{}, false, err
		}
		for _, m := range page {
			if m.Text == strings.TrimSpace(d.Text) {
				return m, true, nil
			}
			f.After = m.ID
		}
		if !more {
			break
		}
	}
	return Message{}, false, nil
}

// Get gives a message.
func (c *Client) Get(ctx context.Context, id int64) (Message, error) {
	return c.one(ctx, http.MethodGet, id, "", nil)
}

// Cancel ends a message that is not sent.
func (c *Client) Cancel(ctx context.Context, id int64) error {
	_, _, err := c.do(ctx, call{method: http.MethodDelete, path: strconv.FormatInt(id, 10) + "/"})
	return aboutMessage(id, err)
}

// Move changes when a message that is not sent is to be; "" is at once.
func (c *Client) Move(ctx context.Context, id int64, startAt string) (Message, error) {
	var body struct {
		StartAt *string `json:"start_at"`
	}
	if startAt != "" {
		body.StartAt = &startAt
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return Message{}, &fault.Error{Kind: fault.Invalid, Code: "not_encodable", Detail: "the time is no text", Err: err}
	}
	return c.one(ctx, http.MethodPatch, id, "", encoded)
}

// Retry revives a message that failed.
func (c *Client) Retry(ctx context.Context, id int64) (Message, error) {
	return c.one(ctx, http.MethodPost, id, "retry/", nil)
}

func (c *Client) one(ctx context.Context, method string, id int64, what string, body []byte) (Message, error) {
	answer, _, err := c.do(ctx, call{method: method, path: strconv.FormatInt(id, 10) + "/" + what, body: body})
	if err != nil {
		return Message{}, aboutMessage(id, err)
	}
	var m Message
	if err := json.Unmarshal(answer, &m); err != nil {
		return Message{}, notUnderstood(err)
	}
	return m, nil
}
