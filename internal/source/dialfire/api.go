package dialfire

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/httpclient"
	"ferryman/internal/pipeline"
)

// sentTime is how the API takes times, which are in UTC.
const sentTime = "2006-01-02T15:04:05.000"

// sentDate is how the API takes the day of a change.
const sentDate = time.DateOnly

// api makes the calls of one campaign. It is safe for concurrent use.
type api struct {
	campaign *url.URL
	client   *httpclient.Client
	token    *token
	gate     gate
	tempo    *tempo
	patience time.Duration
	log      *slog.Logger

	bytes, retries atomic.Int64
}

// request is one call.
type request struct {
	method string
	path   []string // below the campaign
	query  url.Values
	body   []byte
	// unreachable is how long the other side is tried while it does not answer at all;
	// 0 is as long as with any trouble.
	unreachable time.Duration
	tries       int // of trouble that may be the request's own; 0 is as many as patience allows
}

// firstPatience is how long the first call of a read is tried while nobody answers.
// That is told soon, as long as there is nothing in hand; the next read tries again.
const firstPatience = 30 * time.Second

func (a *api) fields(ctx context.Context) (fields []Field, err error) {
	err = a.call(ctx, request{method: http.MethodGet, path: []string{"fields", "list"}, unreachable: firstPatience}, func(data []byte) error {
		fields, err = decodeFields(data)
		return err
	})
	return fields, err
}

// page is one page of a list; next is "" on the last.
type page[T any] struct {
	items    []T
	rejected []pipeline.Rejected // entries that cannot be read
	next     string
	count    int64 // what the answer says there is; 0 if it does not
}

// list asks for a page of contacts changed since a date; "" is all.
func (a *api) list(ctx context.Context, since, cursor string, limit int) (p page[listed], err error) {
	query := url.Values{}
	set(query, "changedSince", since)
	err = a.paged(ctx, []string{"contacts", "list"}, query, cursor, limit, func(data []byte) error {
		p.items, p.rejected, p.next, err = decodeList(data)
		p.count = decodeCount(data)
		return err
	})
	return p, err
}

func (a *api) events(ctx context.Context, w window, filter url.Values) (p page[event], err error) {
	err = a.paged(ctx, []string{"contacts", "transactions/"}, w.query(filter), w.Page, a.tempo.page, func(data []byte) error {
		p.items, p.rejected, p.next, err = decodeEvents(data)
		return err
	})
	return p, err
}

// calls asks for a page of inbound calls, which decode reads.
func (a *api) calls(ctx context.Context, w window, decode func([]byte) error) error {
	return a.paged(ctx, []string{"inbound", "calls/"}, w.query(nil), w.Page, a.tempo.page, decode)
}

func (a *api) paged(ctx context.Context, path []string, query url.Values, cursor string, limit int, decode func([]byte) error) error {
	query.Set("limit", strconv.Itoa(limit))
	set(query, "cursor", cursor)
	err := a.call(ctx, request{method: http.MethodGet, path: path, query: query}, decode)
	if cursor != "" && refusedAsked(err) {
		return pageRefusedError{err}
	}
	return err
}

// contacts asks for contacts by their ids. Trouble that others may be spared of is
// met with a few tries only.
func (a *api) contacts(ctx context.Context, ids []string, tries int, decode func([]byte) error) error {
	body, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return a.call(ctx, request{
		method: http.MethodPost, path: []string{"contacts/"}, query: url.Values{"include_md5": {"true"}}, body: body, tries: tries,
	}, decode)
}

func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

// pageRefusedError says that a page's cursor was refused: its list has to begin again.
type pageRefusedError struct{ error }

func (p pageRefusedError) Unwrap() error { return p.error }

// refusedAsked tells whether the API has refused what it was asked.
func refusedAsked(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Conflict:
		return !isBroken(err) && fault.CodeOf(err) != "upstream_error"
	default:
		return false
	}
}

// brokenAnswerError is an answer that says it is good and cannot be read.
type brokenAnswerError struct{ error }

func (b brokenAnswerError) Unwrap() error { return b.error }

func isBroken(err error) bool {
	_, ok := errors.AsType[brokenAnswerError](err)
	return ok
}

// once makes a call once. status is 0 if no answer came.
func (a *api) once(ctx context.Context, r request, token string, decode func([]byte) error) (status int, asked time.Duration, err error) {
	at := a.campaign.JoinPath(r.path...)
	at.RawQuery = r.query.Encode()
	e, err := a.client.Exchange(ctx, httpclient.Request{
		Method: r.method,
		URL:    at,
		Header: http.Header{"Accept": {"application/json"}},
		Bearer: token,
		Body:   r.body,
	})
	a.bytes.Add(int64(len(e.Body)))
	if err == nil {
		err = a.client.Fault(e)
	}
	if err != nil {
		return e.Status, e.RetryAfter(a.patience), err
	}
	a.token.accept()
	if err := decode(e.Body); err != nil {
		return e.Status, 0, brokenAnswerError{named(err, r.method+" "+at.Path)}
	}
	return e.Status, 0, nil
}

// named puts what was asked before a classified error's detail.
func named(err error, what string) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	n := *f
	n.Detail = what + ": " + f.Detail
	return &n
}
