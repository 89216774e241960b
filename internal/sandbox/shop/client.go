package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	callTime   = 10 * time.Second // of one try
	lastTime   = 5 * time.Second  // that one which is under way has yet at the end: the server answers reports within four
	tries      = 4                // of a call that may be repeated
	retryPause = time.Second
	host       = "shop-1"
)

// errRefused says that the server will not have a call, now or ever: the cron is gone,
// paused, or runs already.
var errRefused = errors.New("the server refuses")

// client makes the calls by which applications report.
type client struct {
	http      *http.Client
	base, key string
}

// mayStart tells whether the cron is there, active and not paused. That it may not
// start for other reasons does not keep the shop from trying.
func (c *client) mayStart(ctx context.Context, slug string) (bool, error) {
	var answer struct {
		Reason *string `json:"reason"`
	}
	err := c.call(ctx, http.MethodGet, slug+"/can-start", nil, &answer)
	if errors.Is(err, errRefused) {
		return false, nil
	}
	off := answer.Reason != nil && (*answer.Reason == "inactive" || *answer.Reason == "paused")
	return err == nil && !off, err
}

// start starts an execution and gives its id. Began is zero unless that is reported
// afterwards.
func (c *client) start(ctx context.Context, slug, rid string, began time.Time) (id int64, err error) {
	var answer struct {
		ID int64 `json:"id"`
	}
	err = c.call(ctx, http.MethodPost, slug+"/start", struct {
		RID   string    `json:"rid"`
		Host  string    `json:"host"`
		Began time.Time `json:"started_at,omitzero"`
	}{rid, host, began}, &answer)
	return answer.ID, err
}

// message is a line of an execution as it goes out.
type message struct {
	Text string    `json:"message"`
	Kind string    `json:"type"`
	At   time.Time `json:"at,omitzero"`
}

// say sends messages, once: repeated, they might be there twice.
func (c *client) say(ctx context.Context, id int64, messages ...message) error {
	_, err := c.once(ctx, http.MethodPost, strconv.FormatInt(id, 10)+"/message", messages, nil)
	return err
}

// end reports how an execution ended. Ended is zero unless that is reported afterwards.
func (c *client) end(ctx context.Context, id int64, r run, ended time.Time) error {
	report := struct {
		Success  bool      `json:"success"`
		Kind     string    `json:"type"`
		Message  string    `json:"message"`
		ExitCode int       `json:"exit_code"`
		TookMS   int64     `json:"duration_ms"`
		Ended    time.Time `json:"ended_at,omitzero"`
	}{true, succeeded, r.end, 0, r.took.Milliseconds(), ended}
	if r.exitCode != 0 {
		report.Success, report.Kind, report.ExitCode = false, failure, r.exitCode
	}
	return c.call(ctx, http.MethodPost, strconv.FormatInt(id, 10)+"/end", report, nil)
}

// call makes a call that may be repeated, some times if need be.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	for try := 1; ; try++ {
		again, err := c.once(ctx, method, path, in, out)
		if !again || try == tries || !wait(ctx, retryPause) {
			return err
		}
	}
}

// once makes a call and tells whether it may go better another time.
func (c *client) once(ctx context.Context, method, path string, in, out any) (again bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	ctx, cancel := untilAnswered(ctx)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return false, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+"/api/"+path, body)
	if err != nil {
		return false, err
	}
	request.Header.Set("X-API-KEY", c.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return true, err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(response.Body, most))
	switch status := response.StatusCode; {
	case err != nil:
		return true, err
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return false, ErrKey
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		return true, fmt.Errorf("the server answers %d", status)
	case status != http.StatusOK:
		return false, fmt.Errorf("%w: %d", errRefused, status)
	case out == nil:
		return false, nil
	}
	return false, json.Unmarshal(text, out)
}

// untilAnswered outlasts the end of ctx by lastTime: a start that is cut off may come
// about after the server has freed the shop's places.
func untilAnswered(ctx context.Context) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	forget := context.AfterFunc(ctx, func() {
		defer cancel()
		wait(lasting, lastTime)
	})
	return lasting, func() {
		forget()
		cancel()
	}
}
