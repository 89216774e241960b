package httpapi

import (
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/outbox"
)

// moorDeliveries is the harbour of the examples about what leaves: a message that
// is scheduled, and a contact that has failed.
func moorDeliveries(t *testing.T, options func(*Options)) *harbour {
	t.Helper()
	h := moorExample(t, options)
	start, end := time.Date(2026, 3, 2, 8, 30, 0, 0, time.UTC), time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	err := h.store.Tx(t.Context(), func(tx *db.Tx) error {
		ids, _, err := h.outbox.Add(t.Context(), tx, []outbox.Item{
			{Topic: outbox.Message, Channel: "telegram", Recipient: "123", Payload: "Your parcel is at the desk.", Dedupe: make([]byte, 16), StartAt: &start, ExpiresAt: &end},
			{Topic: outbox.Contact, Channel: "webhook/orders", Recipient: "orders", Payload: `{"contact":{"id":7}}`},
		}, outbox.Refuse)
		if err != nil {
			return err
		}
		now := tx.Now().UnixMicro()
		_, err = tx.Exec(t.Context(), "INSERT INTO attempts (delivery_id, n, at, took, outcome, status, code, detail) VALUES ($1, 1, $2, 42000, 'failed', 500, 'http_500', 'the receiver is broken')", ids[1], now)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), "UPDATE deliveries SET state = 4, attempts = 1, ended_at = $2, last_error = 'http_500: the receiver is broken' WHERE id = $1", ids[1], now+1_000_000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// become puts a delivery into a state.
func become(id int64, state outbox.State) func(*harbour) {
	return func(h *harbour) {
		err := h.store.Tx(h.t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(h.t.Context(), `UPDATE deliveries SET state = $2, attempts = 2, last_error = 'chat_not_found: Bad Request: chat not found',
				ended_at = $3 WHERE id = $1`, id, int(state), tx.Now().UnixMicro())
			return err
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// messageScenarios are those of the message API.
func messageScenarios() map[string]scenario {
	one, typed := "limit=1", []string{"Content-Type", "application/json"}
	good := `{"user_id":"ann","messenger_id":0,"text":"Hello."}`
	keyed := append([]string{"Idempotency-Key", "one"}, typed...)
	all := map[string]scenario{
		"listPushMessages 200 page":      {query: one},
		"listPushMessages 400 state":     {query: "state=lost"},
		"postPushMessages 201 stored":    {request: "two", headers: typed},
		"postPushMessages 400 wrong":     {request: `[` + good + `,{"user_id":" ","messenger_id":3},` + good + `]`, headers: typed},
		"postPushMessages 400 list":      {request: good, headers: typed},
		"postPushMessages 400 json":      {request: `[{"user_id": 1`, headers: typed},
		"postPushMessages 400 key":       {request: "[]", headers: append([]string{"Idempotency-Key", strings.Repeat("k", 256)}, typed...)},
		"postPushMessages 413 many":      {request: "[" + strings.Repeat("0,", 10_000) + "0]", headers: typed},
		"postPushMessages 422 reused":    {request: `[` + good + `]`, headers: keyed, moored: func(h *harbour) { h.call("POST", "/messages/", "[]", keyed...) }},
		"readPushMessage 200 message":    {},
		"movePushMessage 200 moved":      {request: "later", headers: typed},
		"movePushMessage 400 expires":    {request: `{"start_at":"2026-03-03T00:00"}`, headers: typed},
		"movePushMessage 409 sent":       {request: "later", headers: typed, moored: become(4200, outbox.Sent)},
		"cancelPushMessage 409 sent":     {moored: become(4200, outbox.Sent)},
		"retryPushMessage 200 revived":   {moored: become(4200, outbox.Failed)},
		"retryPushMessage 409 scheduled": {},
	}
	for op, path := range map[string]string{
		"readPushMessage": "/messages/9/", "movePushMessage": "/messages/9/", "cancelPushMessage": "/messages/9/", "retryPushMessage": "/messages/9/retry/",
	} {
		all[op+" 404 unknown"] = scenario{path: path, request: "later", headers: typed}
	}
	for _, op := range []string{"postPushMessages", "movePushMessage"} {
		all[op+" 415 type"] = scenario{request: "1;2", headers: []string{"Content-Type", "text/csv"}}
	}
	return all
}

// outboxScenarios are those of the outbox.
func outboxScenarios() map[string]scenario {
	return map[string]scenario{
		"readOutbox 200 channels":        {},
		"pauseChannel 200 paused":        {request: "example"},
		"pauseChannel 404 unknown":       {path: "/api/v1/outbox/channels/pigeon/pause", request: "example"},
		"pauseChannel 422 wrong":         {request: "{}"},
		"resumeChannel 200 resumed":      {moored: func(h *harbour) { h.call("POST", "/api/v1/outbox/channels/webhook%2Forders/pause", `{"reason":"x"}`) }},
		"resumeChannel 404 unknown":      {path: "/api/v1/outbox/channels/webhook/other/resume"},
		"replayDeadLetters 200 replayed": {request: "example"},
		"replayDeadLetters 422 nothing":  {request: "{}"},
		"listDeliveries 200 page":        {query: "topic=contact&state=failed,sent&channel=webhook/orders"},
		"listDeliveries 400 topic":       {query: "topic=letter"},
		"readDelivery 200 delivery":      {},
		"readDelivery 404 unknown":       {path: "/api/v1/deliveries/9"},
		"cancelDelivery 200 cancelled":   {},
		"cancelDelivery 404 unknown":     {path: "/api/v1/deliveries/9/cancel"},
		"cancelDelivery 409 state":       {moored: become(4201, outbox.Sent)},
		"retryDelivery 200 revived":      {},
		"retryDelivery 404 unknown":      {path: "/api/v1/deliveries/9/retry"},
		"retryDelivery 409 state":        {moored: become(4201, outbox.Waiting)},
	}
}
