package httpapi

import (
	"math"
	"net/http"
	"strings"

	"ferryman/internal/ledger"
	"ferryman/internal/ledgerjson"
)

// message takes what an execution has to say: one message, or an array of them. An
// empty one says that it lives.
func (s *Server) message(r *http.Request) (reply, error) {
	id, err := executionID(r)
	if err != nil {
		return reply{}, err
	}
	messages, several, err := readMessages(r)
	if err != nil {
		return reply{}, err
	}
	said, err := s.o.Ledger.Say(r.Context(), caller(r).AppID, id, messages)
	if err != nil {
		return reply{}, err
	}
	ids := make([]int64, len(said))
	for i, m := range said {
		ids[i] = m.ID
	}
	var last ledger.Message // none says only that the execution lives
	if len(said) > 0 {
		last = said[len(said)-1]
	}
	if several {
		return told(r, struct {
			IDs     []int64 `json:"ids"`
			Dropped int64   `json:"dropped,omitzero"`
		}{ids, last.DroppedSoFar}, ids...)
	}
	return told(r, struct {
		ID         int64              `json:"id"`
		Execution  int64              `json:"execution_id"`
		Type       ledger.MessageType `json:"type"`
		ReceivedAt ledgerjson.Time    `json:"received_at"`
		Truncated  bool               `json:"truncated"`
		Late       bool               `json:"late"`
		Dropped    int64              `json:"dropped,omitzero"`
	}{last.ID, id, last.Type, ledgerjson.Time(last.ReceivedAt), last.Truncated, last.Late, last.DroppedSoFar}, last.ID)
}

func readMessages(r *http.Request) (messages []ledger.Message, several bool, err error) {
	body, err := jsonBody(r)
	if err != nil {
		return nil, false, err
	}
	forms, several, err := readForms(body, ledger.MaxMessages, "message", "type", "at")
	if err != nil {
		return nil, false, err
	}
	messages = make([]ledger.Message, len(forms))
	for i, f := range forms {
		f.require("type")
		m := ledger.Message{
			Type: ledger.MessageType(f.word("type", messageTypes()...)), Text: f.text("message", math.MaxInt), At: f.time("at"),
		}
		switch {
		case !f.require("message"):
		case f.null("message"):
			f.fail("message", "type", "must be a string")
		case m.Text == "" && f.member("message").kind != '"': // told already
		case strings.TrimSpace(m.Text) == "":
			f.fail("message", "blank", "must say something")
		}
		messages[i] = m
	}
	if len(forms) == 0 {
		return nil, several, nil
	}
	return messages, several, forms[0].fault()
}
