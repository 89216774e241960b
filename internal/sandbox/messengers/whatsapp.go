package messengers

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

const whatsAppLongest = 4096 // characters

// whatsAppErrors are the vendor's error codes with their HTTP status.
var whatsAppErrors = map[int]struct {
	status  int
	message string
}{
	4:      {http.StatusTooManyRequests, "Application request limit reached"},
	10:     {http.StatusForbidden, "Application does not have permission for this action"},
	100:    {http.StatusBadRequest, "Invalid parameter"},
	190:    {http.StatusUnauthorized, "Invalid OAuth access token - Cannot parse access token"},
	130429: {http.StatusTooManyRequests, "Rate limit hit"},
	131000: {http.StatusInternalServerError, "Something went wrong"},
	131016: {http.StatusServiceUnavailable, "Service unavailable"},
	131026: {http.StatusBadRequest, "Message undeliverable"},
	131047: {http.StatusBadRequest, "Re-engagement message"},
	131048: {http.StatusTooManyRequests, "Spam rate limit hit"},
	131056: {http.StatusTooManyRequests, "(Business Account, Consumer Account) pair rate limit hit"},
}

var whatsAppVersion = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]$`)

type whatsApp struct{ token, number string }

func (whatsApp) messenger() Messenger { return WhatsApp }

func (w whatsApp) read(r *http.Request, body []byte) (message, failure) {
	bad := func(detail string) (message, failure) {
		return message{}, failure{code: 100, detail: detail}
	}
	if r.Header.Get("Authorization") != "Bearer "+w.token {
		return message{}, failure{code: 190}
	}
	if !whatsAppVersion.MatchString(r.PathValue("version")) {
		return bad("Unknown path components: /" + r.PathValue("version"))
	}
	if number := r.PathValue("number"); number != w.number {
		return bad(fmt.Sprintf("Unsupported post request. Object with ID '%s' does not exist", number))
	}
	var ask struct {
		Product string     `json:"messaging_product"`
		To      identifier `json:"to"`
		Type    string     `json:"type"`
		Text    struct {
			Body string `json:"body"`
		} `json:"text"`
		Callback string `json:"biz_opaque_callback_data"`
	}
	if err := json.Unmarshal(body, &ask); err != nil {
		return bad("Invalid JSON")
	}
	switch {
	case ask.Product != "whatsapp":
		return bad("The parameter messaging_product is required")
	case ask.To == "":
		return bad("The parameter to is required")
	case ask.Type != "text":
		return bad("Param type must be text in the sandbox")
	case strings.TrimSpace(ask.Text.Body) == "":
		return bad("The parameter text['body'] is required")
	case utf8.RuneCountInString(ask.Text.Body) > whatsAppLongest:
		return bad(fmt.Sprintf("Param text['body'] must be at most %d characters long", whatsAppLongest))
	}
	return message{recipient: string(ask.To), text: ask.Text.Body, reference: ask.Callback}, failure{}
}

func (whatsApp) id(seq int64) string {
	return "wamid." + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "sandbox-%012d", seq))
}

type (
	whatsAppContact struct {
		Input string `json:"input"`
		ID    string `json:"wa_id"`
	}
	whatsAppMessage struct {
		ID string `json:"id"`
	}
	whatsAppError struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Code    int    `json:"code"`
		Trace   string `json:"fbtrace_id"`
	}
)

func (whatsApp) accepted(a Arrival) any {
	return struct {
		Product  string            `json:"messaging_product"`
		Contacts []whatsAppContact `json:"contacts"`
		Messages []whatsAppMessage `json:"messages"`
	}{"whatsapp", []whatsAppContact{{a.Recipient, strings.TrimPrefix(a.Recipient, "+")}}, []whatsAppMessage{{a.ID}}}
}

func (whatsApp) refused(f failure) (int, any) {
	usual, known := whatsAppErrors[f.code]
	if !known {
		usual.status, usual.message = http.StatusBadRequest, "Error"
	}
	return cmp.Or(f.status, usual.status), map[string]whatsAppError{"error": {
		Message: fmt.Sprintf("(#%d) %s", f.code, cmp.Or(f.detail, usual.message)),
		Type:    "OAuthException", Code: f.code, Trace: "AsandboxTrace",
	}}
}

func (whatsApp) special(name string) failure {
	switch name {
	case unknown, blocked:
		return failure{code: 131026}
	case windowClosed:
		return failure{code: 131047}
	case busy:
		return failure{code: 131056}
	case broken:
		return failure{code: 131000}
	}
	return failure{}
}

func (whatsApp) crowded(one bool, _ time.Duration) failure {
	if one {
		return failure{code: 131056}
	}
	return failure{code: 130429}
}
