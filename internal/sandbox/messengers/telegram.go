package messengers

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const telegramLongest = 4096 // characters

type telegram struct{ token string }

func (telegram) messenger() Messenger { return Telegram }

func (t telegram) read(r *http.Request, body []byte) (message, failure) {
	token, found := strings.CutPrefix(r.PathValue("bot"), "bot")
	if !found {
		return message{}, failure{code: http.StatusNotFound}
	}
	if token != t.token {
		return message{}, failure{code: http.StatusUnauthorized}
	}
	if r.PathValue("method") != "sendMessage" {
		return message{}, failure{code: http.StatusNotFound}
	}
	var ask struct {
		ChatID identifier `json:"chat_id"`
		Text   string     `json:"text"`
	}
	bad := func(detail string) (message, failure) {
		return message{}, failure{code: http.StatusBadRequest, detail: "Bad Request: " + detail}
	}
	if isJSON(r) { // the real one overlooks a body of any type that it does not know
		if err := json.Unmarshal(body, &ask); err != nil {
			return bad("can't parse the JSON object")
		}
	}
	switch {
	case ask.ChatID == "":
		return bad("chat_id is empty")
	case strings.TrimSpace(ask.Text) == "":
		return bad("message text is empty")
	case utf8.RuneCountInString(ask.Text) > telegramLongest:
		return bad("message is too long")
	}
	return message{recipient: string(ask.ChatID), text: ask.Text}, failure{}
}

func (telegram) id(seq int64) string { return strconv.FormatInt(seq, 10) }

type telegramChat struct {
	ID   any    `json:"id"` // a number, where it is one
	Type string `json:"type"`
}

type telegramResult struct {
	MessageID int64        `json:"message_id"`
	Chat      telegramChat `json:"chat"`
	Date      int64        `json:"date"`
	Text      string       `json:"text"`
}

func (telegram) accepted(a Arrival) any {
	chat := telegramChat{ID: a.Recipient, Type: "private"}
	if n, err := strconv.ParseInt(a.Recipient, 10, 64); err == nil {
		chat.ID = n
	}
	if isGroup(a.Recipient) {
		chat.Type = "supergroup"
	}
	return struct {
		OK     bool           `json:"ok"`
		Result telegramResult `json:"result"`
	}{true, telegramResult{MessageID: a.Seq, Chat: chat, Date: a.At.Unix(), Text: a.Text}}
}

// isGroup tells chats of many from chats with one, as ids do.
func isGroup(chat string) bool { return strings.HasPrefix(chat, "-") || strings.HasPrefix(chat, "@") }

type telegramParameters struct {
	RetryAfter int `json:"retry_after"`
}

func (telegram) refused(f failure) (int, any) {
	said := struct {
		OK          bool                `json:"ok"`
		ErrorCode   int                 `json:"error_code"`
		Description string              `json:"description"`
		Parameters  *telegramParameters `json:"parameters,omitempty"`
	}{ErrorCode: cmp.Or(f.code, f.status)}
	status := cmp.Or(f.status, httpStatus(f.code))
	if said.ErrorCode == http.StatusTooManyRequests {
		f.wait = cmp.Or(f.wait, time.Second)
	}
	if f.wait > 0 {
		said.Parameters = &telegramParameters{seconds(f.wait)}
	}
	switch said.ErrorCode {
	case http.StatusBadRequest:
		said.Description = "Bad Request: chat not found"
	case http.StatusForbidden:
		said.Description = "Forbidden: bot was blocked by the user"
	case http.StatusTooManyRequests:
		said.Description = "Too Many Requests: retry after " + strconv.Itoa(seconds(f.wait))
	default:
		said.Description = cmp.Or(http.StatusText(said.ErrorCode), "Error")
	}
	said.Description = cmp.Or(f.detail, said.Description)
	return status, said
}

func (telegram) special(name string) failure {
	switch name {
	case unknown:
		return failure{code: http.StatusBadRequest}
	case blocked:
		return failure{code: http.StatusForbidden}
	case windowClosed:
		return failure{code: http.StatusForbidden, detail: "Forbidden: bot can't initiate conversation with a user"}
	case busy:
		return failure{code: http.StatusTooManyRequests}
	case broken:
		return failure{code: http.StatusInternalServerError}
	}
	return failure{}
}

func (telegram) crowded(_ bool, wait time.Duration) failure {
	return failure{code: http.StatusTooManyRequests, wait: wait}
}
