package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"ferryman/internal/apikey"
	"ferryman/internal/forwarded"
	"ferryman/internal/outbox"
	"ferryman/internal/params"
	"ferryman/internal/push"
)

// messageCalls are the message API, in the order of the description. Its clients
// know another server: paths end with a slash, and errors have its shape.
func (s *Server) messageCalls() []route {
	look, send := byOperatorsWith(apikey.Read), byOperatorsWith(apikey.Ping)
	all := []route{
		{"GET", "/messages/{$}", s.listPushed, look, false},
		{"POST", "/messages/{$}", s.postMessages, send.withBulk(), false},
		{"GET", "/messages/{id}/{$}", s.readPushed, look, false},
		{"PATCH", "/messages/{id}/{$}", s.movePushed, send.withBody(), false},
		{"DELETE", "/messages/{id}/{$}", s.cancelPushed, send, false},
		{"POST", "/messages/{id}/retry/{$}", s.retryPushed, send, false},
	}
	for i, rt := range all {
		all[i].answer = timely(s.o.AdminTime, rt.answer)
	}
	return all
}

// ofMessages tells whether a path is one of the message API, or would be.
func ofMessages(path string) bool {
	return path == "/messages" || strings.HasPrefix(path, "/messages/")
}

// handleAliases answers at paths that are written in another way too: of messages
// without the slash at the end, where a GET is sent on and the rest is served, and
// of channels whose name holds a slash.
func (s *Server) handleAliases() {
	for _, rt := range s.routes {
		if path, found := strings.CutSuffix(rt.pattern, "/{$}"); found && ofMessages(path) {
			if rt.method == http.MethodGet {
				rt.answer = withSlash
			}
			s.mux.Handle(rt.method+" "+path, s.dispatch(rt))
		}
		if path := strings.Replace(rt.pattern, "/channels/{name}/", "/channels/{kind}/{name}/", 1); path != rt.pattern {
			s.mux.Handle(rt.method+" "+path, s.dispatch(rt))
		}
	}
}

func withSlash(r *http.Request) (reply, error) {
	to := r.URL.EscapedPath() + "/"
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	return reply{status: http.StatusMovedPermanently, location: to, body: struct{}{}}, nil
}

// detailOf is an error as the clients of the message API know it.
func detailOf(p problem, method string) any {
	detail := p.Detail
	switch {
	case p.Status == http.StatusMethodNotAllowed:
		detail = `Method "` + method[:min(len(method), 20)] + `" not allowed.`
	case p.Status == http.StatusNotFound:
		detail = "Not found."
	case p.Hint != "":
		detail += " (" + p.Hint + ")"
	}
	return struct {
		Detail string `json:"detail"`
	}{detail}
}

// answerOf answers with what a call gives, or with what is wrong with its body.
func answerOf(status int, text []byte, err error) (reply, error) {
	if refusal, ok := errors.AsType[*push.Refusal](err); ok {
		return reply{status: http.StatusBadRequest, body: refusal.JSON}, nil
	}
	return reply{status: status, body: text}, err
}

func (s *Server) postMessages(r *http.Request) (reply, error) {
	body, err := messageBody(r)
	if err != nil {
		return reply{}, err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return reply{}, err
	}
	if len(body) > largeBody {
		select {
		case s.posting <- struct{}{}:
			defer func() { <-s.posting }()
		case <-r.Context().Done():
			return reply{}, fmt.Errorf("wait for the lists before: %w", r.Context().Err())
		}
		exchangeOf(r.Context()).body = nil // or it would be kept beside the messages
	}
	stored, ignored, err := s.o.Messages.PostJSON(r.Context(), body, key)
	out, err := answerOf(http.StatusCreated, stored, err)
	if err == nil && len(ignored) > 0 {
		out.ignored = s.tellIgnored(r.Context(), forwarded.Of(r).String(), ignored)
	}
	return out, err
}

// tellIgnored tells whoever reads the log that clients send what is ignored and seems
// to be misspelt: ten times, and then once a minute. It gives what the client is told.
func (s *Server) tellIgnored(ctx context.Context, remote string, ignored []push.Slip) string {
	told := make([]string, len(ignored))
	for i, slip := range ignored {
		told[i] = slip.Given + ";meant=" + slip.Meant
	}
	s.slips.Do(func() {
		for _, slip := range ignored {
			s.o.Log.WarnContext(ctx, "a member of messages was ignored", "name", slip.Given, "detail", "did you mean "+slip.Meant+"?",
				"request_id", exchangeOf(ctx).id, "remote", remote)
		}
	})
	return strings.Join(told, ", ")
}

// messageBody gives the body of a call that is told its type.
func messageBody(r *http.Request) ([]byte, error) {
	given := or(strings.TrimSpace(r.Header.Get("Content-Type")), "text/plain")
	if kind, _, _ := strings.Cut(given, ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return nil, unsupported(given)
	}
	return jsonBody(r)
}

func unsupported(mediaType string) error {
	return &mediaTypeError{`Unsupported media type "` + mediaType[:min(len(mediaType), 100)] + `" in request.`}
}

// idempotencyKey is what the client calls the post; "" if it has no name.
func idempotencyKey(r *http.Request) (string, error) {
	given := r.Header.Values("Idempotency-Key")
	if len(given) == 0 {
		return "", nil
	}
	key := unquoted(given[0])
	if len(given) > 1 || key == "" {
		return "", push.ErrKey
	}
	return key, nil
}

func (s *Server) listPushed(r *http.Request) (reply, error) {
	q, err := params.Parse(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	f, err := pushFilter(q)
	if err != nil {
		return reply{}, err
	}
	limit := f.Limit
	f.Limit = min(limit+1, maxLimit) // one more tells whether there are more; beyond the most there may be none
	all, err := s.o.Messages.List(r.Context(), f)
	if err != nil {
		return reply{}, err
	}
	more := len(all) == f.Limit
	all = all[:min(len(all), limit)]
	size := 2
	for i := range all {
		const besides = 400 // what stands around the texts, at most, if nothing is escaped
		size += len(all[i].UserID) + len(all[i].Text) + len(all[i].LastError) + besides
	}
	text := append(make([]byte, 0, size), '[')
	for i, m := range all {
		if i > 0 {
			text = append(text, ',')
		}
		text = m.AppendJSON(text)
	}
	out := reply{body: append(text, ']')}
	if more {
		out.link = nextLink(r.URL, q, "after", idText(all[len(all)-1].ID))
	}
	return out, nil
}

func pushFilter(q params.Query) (f push.Filter, err error) {
	if f.State, err = params.Word(q, "state", push.States()...); err != nil {
		return f, err
	}
	text, given, err := q.One("messenger_id")
	if err != nil {
		return f, err
	}
	if given {
		n, err := strconv.Atoi(text)
		if m := push.Messenger(n); err == nil && m >= push.Viber && m <= push.WhatsApp {
			f.Messenger = &m
		} else {
			return f, params.Bad("messenger_id", "not 0, 1 or 2", "such as ?messenger_id=1 for Telegram")
		}
	}
	if f.UserID, _, err = q.Text("user_id", 200); err != nil {
		return f, err
	}
	after, given, err := q.One("after")
	if err != nil {
		return f, err
	}
	if given {
		id, canonical := params.Whole(after)
		if !canonical || id < 0 {
			return f, params.Bad("after", "not the id of a message", "give the last id of the page before")
		}
		f.After = id
	}
	f.Limit, err = limitOf(q)
	return f, err
}

// pushedID is the message that a path names, with or without zeros before it.
func pushedID(r *http.Request) (int64, error) {
	text := r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strings.Trim(text, "0123456789") != "" {
		return 0, outbox.ErrNotFound
	}
	return id, nil
}

// shown answers with a message as it stands.
func shown(m push.Stored, err error) (reply, error) {
	if err != nil {
		return answerOf(0, nil, err)
	}
	return ok(m.AppendJSON(nil))
}

func (s *Server) readPushed(r *http.Request) (reply, error) {
	id, err := pushedID(r)
	if err != nil {
		return reply{}, err
	}
	return shown(s.o.Messages.Get(r.Context(), id))
}

func (s *Server) movePushed(r *http.Request) (reply, error) {
	id, err := pushedID(r)
	if err != nil {
		return reply{}, err
	}
	body, err := messageBody(r)
	if err != nil {
		return reply{}, err
	}
	return shown(s.o.Messages.Move(r.Context(), id, body))
}

func (s *Server) cancelPushed(r *http.Request) (reply, error) {
	id, err := pushedID(r)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent, body: []byte(nil)}, s.o.Messages.Cancel(r.Context(), id)
}

func (s *Server) retryPushed(r *http.Request) (reply, error) {
	id, err := pushedID(r)
	if err != nil {
		return reply{}, err
	}
	return shown(s.o.Messages.Retry(r.Context(), id))
}
