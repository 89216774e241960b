package messengers

import (
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	viberLongest       = 7000 // characters of a text
	viberLongestSender = 28   // characters
	viberLongestBody   = 30 << 10
	viberFirstToken    = 5_741_311_803_571_721_087 // in the range of real ones
)

// viberStatuses are the vendor's names of its error codes.
var viberStatuses = map[int]string{
	1: "invalidUrl", 2: "invalidAuthToken", 3: "badData", 4: "missingData", 5: "receiverNotRegistered",
	6: "receiverNotSubscribed", 7: "publicAccountBlocked", 8: "publicAccountNotFound", 9: "publicAccountSuspended",
	10: "webhookNotSet", 11: "receiverNoSuitableDevice", 12: "tooManyRequests", 13: "apiVersionNotSupported",
	14: "incompatibleWithVersion", 15: "publicAccountNotAuthorized", 16: "inchatReplyMessageNotAllowed",
	17: "publicAccountIsNotInline", 18: "noPublicChat", 19: "cannotSendBroadcast", 20: "broadcastNotAllowed",
}

type viber struct{ token string }

func (viber) messenger() Messenger { return Viber }

func (v viber) read(r *http.Request, body []byte) (message, failure) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Viber-Auth-Token")), []byte(v.token)) == 0 {
		return message{}, failure{code: 2}
	}
	var ask struct {
		Receiver string `json:"receiver"`
		Type     string `json:"type"`
		Text     string `json:"text"`
		Sender   struct {
			Name string `json:"name"`
		} `json:"sender"`
		TrackingData string `json:"tracking_data"`
	}
	switch err := json.Unmarshal(body, &ask); {
	case err != nil || len(body) > viberLongestBody:
		return message{}, failure{code: 3}
	case ask.Receiver == "" || ask.Type == "" || ask.Sender.Name == "":
		return message{}, failure{code: 4}
	case ask.Type != "text" || strings.TrimSpace(ask.Text) == "" || utf8.RuneCountInString(ask.Text) > viberLongest ||
		utf8.RuneCountInString(ask.Sender.Name) > viberLongestSender:
		return message{}, failure{code: 3}
	}
	return message{recipient: ask.Receiver, text: ask.Text, reference: ask.TrackingData}, failure{}
}

func (viber) id(seq int64) string { return telegram{}.id(viberFirstToken + seq) }

type viberAnswer struct {
	Status        int    `json:"status"`
	StatusMessage string `json:"status_message"`
	MessageToken  int64  `json:"message_token,omitempty"`
}

func (viber) accepted(a Arrival) any { return viberAnswer{0, "ok", viberFirstToken + a.Seq} }

func (viber) refused(f failure) (int, any) {
	name := cmp.Or(viberStatuses[f.code], "generalError")
	return cmp.Or(f.status, http.StatusOK), viberAnswer{Status: f.code, StatusMessage: cmp.Or(f.detail, name)}
}

func (viber) special(name string) failure {
	switch name {
	case unknown:
		return failure{code: 5}
	case blocked, windowClosed:
		return failure{code: 6}
	case busy:
		return failure{code: 12}
	case broken:
		return failure{status: http.StatusInternalServerError}
	}
	return failure{}
}

func (viber) crowded(bool, time.Duration) failure { return failure{code: 12} }
