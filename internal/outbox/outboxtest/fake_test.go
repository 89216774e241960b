package outboxtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/outbox"
	"ferryman/internal/outbox/outboxtest"
)

const token = "Sentinel/token"

// fake is a channel that is well but for its defect, which a suite should find.
type fake struct {
	defect string
	o      outboxtest.Opening
	client *http.Client
}

func openFake(defect string) func(*testing.T, outboxtest.Opening) outbox.Channel {
	return func(t *testing.T, o outboxtest.Opening) outbox.Channel {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		f := &fake{defect: defect, o: o, client: &http.Client{
			Transport: transport, Timeout: o.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
		if defect == "follows redirects" {
			f.client.CheckRedirect = nil
		}
		if defect == "has no time-out" {
			f.client.Timeout = 0
		}
		return f
	}
}

type wire struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

// Send implements outbox.Channel.
func (f *fake) Send(ctx context.Context, d outbox.Delivery) outbox.Outcome {
	w := wire{d.Recipient, d.Payload}
	if f.defect == "trims the text" {
		w.Text = strings.TrimSpace(w.Text)
	}
	if f.defect == "lowers the recipient" {
		w.To = strings.ToLower(w.To)
	}
	body, err := json.Marshal(w)
	if err != nil {
		return outbox.Outcome{Verdict: outbox.Rejected, Code: "json"}
	}
	if f.defect == "sends twice" {
		f.exchange(ctx, body)
	}
	if f.defect == "ignores the context" {
		ctx = context.WithoutCancel(ctx)
	}
	o := f.exchange(ctx, body)
	if f.defect == "repeats what failed" && o.Status == 0 {
		return f.exchange(ctx, body)
	}
	return o
}

func (f *fake) exchange(ctx context.Context, body []byte) outbox.Outcome {
	var written atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaderField: func(string, []string) { written.Store(true) }})
	// A reader that net/http knows could be sent again; this one cannot.
	r, err := http.NewRequestWithContext(traced, "POST", f.o.BaseURL, io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return outbox.Outcome{Verdict: outbox.Rejected, Code: "request"}
	}
	r.ContentLength = int64(len(body))
	r.Header.Set("X-Token", token)
	switch f.defect {
	case "logs the token":
		f.o.Logger.DebugContext(ctx, "request", "header", r.Header)
	case "lets net/http send again":
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Header.Set("Idempotency-Key", "1")
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return f.lost(ctx, written.Load(), err)
	}
	defer func() { _ = resp.Body.Close() }()
	limit := int64(4 << 10)
	if f.defect == "reads all of the answer" {
		limit = 1 << 40
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil && resp.StatusCode < 300 {
		if f.defect == "takes half an answer for a refusal" {
			return outbox.Outcome{Verdict: outbox.Rejected, Status: resp.StatusCode, Code: "cut"}
		}
		return f.lost(ctx, true, err)
	}
	o := f.judge(resp, text)
	o.Status = resp.StatusCode
	return o
}

func (f *fake) lost(ctx context.Context, written bool, err error) outbox.Outcome {
	o := outbox.Outcome{Verdict: outbox.Retry, Code: "transport", Detail: "no answer", Trouble: ctx.Err() == nil}
	if written {
		o.Verdict = outbox.Uncertain
	}
	switch f.defect {
	case "repeats what may have arrived":
		o.Verdict = outbox.Retry
	case "is never sure that nothing went out":
		o.Verdict = outbox.Uncertain
	case "blames the other side for being called off":
		o.Trouble = true
	case "sees no trouble":
		o.Trouble = false
	case "tells the error with its code only":
		o.Detail, o.Code = err.Error(), ""
	}
	return o
}

func (f *fake) judge(resp *http.Response, text []byte) outbox.Outcome {
	var a struct {
		ID    string
		Error string
	}
	own := json.Unmarshal(text, &a) == nil
	switch {
	case own && a.ID != "" && resp.StatusCode < 300:
		if f.defect == "forgets the reference" {
			a.ID = ""
		}
		return outbox.Outcome{Verdict: outbox.Accepted, Reference: a.ID}
	case own && a.Error == "gone":
		o := outbox.Outcome{Verdict: outbox.Rejected, Code: "gone"}
		if f.defect == "misreads an error" {
			o.Code = "went"
		}
		return o
	}
	o := outboxtest.MessengerStatus(resp.StatusCode)
	o.Code = "status"
	o.Detail = f.excerpt(text)
	if f.defect == "gives up at 503" && resp.StatusCode == 503 {
		o.Verdict = outbox.Rejected
	}
	if f.defect == "takes any 200 for a success" && resp.StatusCode == 200 {
		return outbox.Outcome{Verdict: outbox.Accepted}
	}
	if o.Verdict == outbox.Retry {
		o.RetryAfter = f.wait(resp.Header.Get("Retry-After"))
	}
	return o
}

func (f *fake) wait(header string) time.Duration {
	if f.defect == "ignores Retry-After" {
		return 0
	}
	at, err := http.ParseTime(header)
	wait := time.Until(at)
	if err != nil {
		seconds, _ := strconv.ParseFloat(header, 64)
		wait = time.Duration(min(seconds, 1e9)) * time.Second
	}
	if f.defect == "believes any Retry-After" {
		return wait
	}
	return min(max(wait, 0), 24*time.Hour)
}

func (f *fake) excerpt(text []byte) string {
	switch f.defect {
	case "quotes the token":
		return strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "?")), " ")
	case "quotes line by line":
		return strings.ToValidUTF8(strings.ReplaceAll(string(text), "Sentinel", ""), "?")
	case "cuts characters in half":
		return string(text[:min(len(text), 10)])
	case "keeps too much":
		return strings.Repeat("x", outbox.MaxDetail+1)
	}
	return fmt.Sprintf("%d bytes", len(text))
}
