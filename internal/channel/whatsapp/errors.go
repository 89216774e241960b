package whatsapp

import (
	"net/http"
	"time"

	"ferryman/internal/outbox"
)

// meanings are what error codes mean. The account, the app and the sender's number
// are no message's fault.
var meanings = map[int]outbox.Outcome{
	// Of the Graph API.
	0:     {Verdict: outbox.Blocked, Detail: "check WHATSAPP_TOKEN"},
	1:     {Verdict: outbox.Retry, Trouble: true}, // unknown, perhaps the server's
	2:     {Verdict: outbox.Retry, Trouble: true}, // down or overloaded
	3:     {Verdict: outbox.Blocked, Detail: "the app may not do this: check its permissions"},
	4:     {Verdict: outbox.Retry, Rest: outbox.TheChannel, Trouble: true}, // the app calls too often
	10:    {Verdict: outbox.Blocked, Detail: "the app may not do this: check its permissions"},
	33:    {Verdict: outbox.Blocked, Detail: "check WHATSAPP_PHONE_NUMBER_ID"}, // deleted
	100:   {Verdict: outbox.Rejected},                                          // an invalid parameter; but see subcodes
	102:   {Verdict: outbox.Blocked, Detail: "check WHATSAPP_TOKEN"},
	190:   {Verdict: outbox.Blocked, Detail: "check WHATSAPP_TOKEN"}, // expired or revoked
	368:   {Verdict: outbox.Blocked, Detail: "the account is blocked for a while for violations of the policies"},
	2500:  {Verdict: outbox.Blocked, Detail: "check WHATSAPP_BASE_URL and WHATSAPP_API_VERSION"}, // an unknown path
	80007: {Verdict: outbox.Retry, Rest: outbox.TheChannel, Trouble: true},                       // the account calls too often

	// Of the Cloud API.
	130429: {Verdict: outbox.Retry, Rest: outbox.TheChannel, Trouble: true}, // throughput
	130472: {Verdict: outbox.Rejected},                                      // the number is in an experiment
	130497: {Verdict: outbox.Rejected},                                      // not to that country
	131000: {Verdict: outbox.Retry, Trouble: true},                          // something went wrong
	131005: {Verdict: outbox.Blocked, Detail: "the app may not do this: check its permissions"},
	131008: {Verdict: outbox.Rejected},             // a parameter is missing
	131009: {Verdict: outbox.Rejected},             // a parameter's value is wrong
	131016: {Verdict: outbox.Retry, Trouble: true}, // unavailable
	131021: {Verdict: outbox.Rejected},             // the recipient is the sender
	131026: {Verdict: outbox.Rejected},             // not on WhatsApp
	131030: {Verdict: outbox.Rejected},             // not among the recipients of a test number
	131031: {Verdict: outbox.Blocked, Detail: "the account is locked"},
	131037: {Verdict: outbox.Blocked, Detail: "the number's display name is not approved"},
	131042: {Verdict: outbox.Blocked, Detail: "there is trouble with the account's payment"},
	131045: {Verdict: outbox.Blocked, Detail: "the number is not registered"},
	131047: {Verdict: outbox.Rejected},                                      // more than 24 hours since the recipient's message
	131048: {Verdict: outbox.Retry, Rest: outbox.TheChannel, Trouble: true}, // held back because too much was marked as spam
	131049: {Verdict: outbox.Rejected},                                      // held back for the recipient's sake
	131050: {Verdict: outbox.Rejected},                                      // the recipient wants none
	131051: {Verdict: outbox.Rejected},                                      // an unsupported type
	// Names no time: the interval that is documented.
	131056: {Verdict: outbox.Retry, Rest: outbox.TheRecipient, RetryAfter: 6 * time.Second},
	131057: {Verdict: outbox.Retry, Trouble: true}, // maintenance
	133004: {Verdict: outbox.Retry, Trouble: true}, // unavailable
	133010: {Verdict: outbox.Blocked, Detail: "the number is not registered"},
	135000: {Verdict: outbox.Rejected}, // an error in the request, not told which
}

// noSuchObject is the subcode of 100 for a number that is not the app's.
const noSuchObject = 33

// meaning is what an error means: by its code, else by what it says of itself,
// else by its HTTP status.
func (f failure) meaning(status int) outbox.Outcome {
	code := *f.Code
	o, known := meanings[code]
	switch {
	case code == 100 && f.Subcode == noSuchObject:
		return outbox.Outcome{Verdict: outbox.Blocked, Detail: "check WHATSAPP_PHONE_NUMBER_ID and what WHATSAPP_TOKEN may do"}
	case known:
		return o
	case code >= 200 && code <= 299:
		return outbox.Outcome{Verdict: outbox.Blocked, Detail: "the app may not do this: check its permissions"}
	case status == http.StatusUnauthorized:
		return outbox.Outcome{Verdict: outbox.Blocked, Detail: "check WHATSAPP_TOKEN"}
	case status == http.StatusTooManyRequests:
		return outbox.Outcome{Verdict: outbox.Retry, Rest: outbox.TheChannel, Trouble: true}
	case !f.Transient && status/100 == 4:
		return outbox.Outcome{Verdict: outbox.Rejected}
	default:
		return outbox.Outcome{Verdict: outbox.Retry, Trouble: true}
	}
}
