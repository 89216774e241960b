package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"ferryman/internal/e2e/program"
	"ferryman/internal/sandbox/messengers"
	"ferryman/internal/testaddr"
	"ferryman/internal/testwait"
)

// A caller's trace, as its traceparent.
const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan  = "00f067aa0ba902b7"
	sampled      = "00-" + callersTrace + "-" + callersSpan + "-01"
	unsampled    = "00-" + callersTrace + "-" + callersSpan + "-00"
)

func wantAttrs(t testing.TB, s traced, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got, found := s.attrs[name]; !found || got != value {
			t.Errorf("%s: %s is %q, want %q", s.name, name, got, value)
		}
	}
}

func TestTraceFromRequestToDelivery(t *testing.T) {
	t.Parallel()
	for name, book := range books {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c, state := newPeople(t), newCollector(t), t.TempDir()
			env, _ := book(t, state)
			n := serve(t, state, append(append(env, p.env()...), c.env()...))
			const text, person = "a text that nobody else may read", "7770001"
			program.MustDo(t, "POST", n.url+"/messages/?debug=hidden-query", `[{"user_id":`+person+`,"messenger_id":1,"text":"`+text+`"}]`, "traceparent", sampled)

			request := c.await(t, "POST /messages/{$}", nil)
			if request.trace != callersTrace || request.parent != callersSpan || request.kind != "SPAN_KIND_SERVER" || request.service != "ferryman" {
				t.Errorf("the request is %+v", request)
			}
			wantAttrs(t, request, map[string]string{"http.request.method": "POST", "http.route": "/messages/{$}", "http.response.status_code": "201"})
			accepted := c.await(t, "accept messages", nil)
			if accepted.parent != request.id || accepted.kind != "SPAN_KIND_PRODUCER" {
				t.Errorf("the acceptance is %+v", accepted)
			}
			sent := c.await(t, "deliver telegram", nil)
			if sent.trace == callersTrace || sent.parent != "" || len(sent.links) != 1 || sent.links[0] != callersTrace+"-"+accepted.id || sent.kind != "SPAN_KIND_CONSUMER" {
				t.Errorf("the delivery is %+v, and not linked to %+v", sent, accepted)
			}
			wantAttrs(t, sent, map[string]string{
				"messaging.destination.name": "telegram", "ferryman.delivery.id": "1", "ferryman.attempt": "1", "ferryman.outcome": "sent",
			})
			call := c.await(t, "POST", nil)
			if call.trace != sent.trace || call.parent != sent.id || call.kind != "SPAN_KIND_CLIENT" {
				t.Errorf("the call is %+v", call)
			}
			wantAttrs(t, call, map[string]string{"http.response.status_code": "200", "url.full": p.url + messengers.TelegramPath + "/botTOKEN/sendMessage"})

			// A caller whose own trace is not kept has none of what it asks for kept.
			program.MustDo(t, "POST", n.url+"/messages/", messages(1, 1), "traceparent", unsampled)
			p.awaitDistinct(t, 2)
			// One that fails says so, without the words.
			p.inject(t, messengers.Fault{Messenger: "telegram", Kind: "status", Status: http.StatusForbidden, Times: 1})
			program.MustDo(t, "POST", n.url+"/messages/", messages(2, 1))
			failed := c.await(t, "deliver telegram", func(s traced) bool { return s.attrs["ferryman.outcome"] == "failed" })
			if failed.status != "STATUS_CODE_ERROR" || failed.attrs["error.type"] != "403" {
				t.Errorf("the failure is %+v", failed)
			}
			testwait.Until(t, "a line of the log has the trace "+failed.trace, func() bool { return strings.Contains(n.logged(), "trace_id="+failed.trace) })
			if code := n.stop(); code != 0 {
				t.Errorf("the server ended with %d", code)
			}
			if all := c.named("deliver telegram"); len(all) != 2 {
				t.Errorf("deliveries are traced %d times: %+v", len(all), all)
			}
			c.holdsNone(t, messengers.DefaultTelegramToken, text, person, "hidden-query", "message 2", collectorKey)
		})
	}
}

// headersOf is a web service that keeps the headers of what it is sent.
type headersOf struct {
	mu  sync.Mutex
	all []http.Header
}

func (h *headersOf) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, r.Header.Clone())
}

func (h *headersOf) first() http.Header {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) == 0 {
		return nil
	}
	return h.all[0]
}

func TestTraceReachesAWebhook(t *testing.T) {
	t.Parallel()
	c, state, got := newCollector(t), t.TempDir(), &headersOf{}
	receiver := httptest.NewServer(got)
	t.Cleanup(receiver.Close)
	u, err := url.Parse(receiver.URL)
	if err != nil {
		t.Fatal(err)
	}
	env := []string{manual, "FERRYMAN_WEBHOOK_ALLOW_HOSTS=" + u.Host}
	n := serve(t, state, append(env, c.env()...))
	const secretPath = "services-T00-B00-verysecret"
	ferryman(t, state, env, "webhook", "add", "pager", "--url", receiver.URL+"/"+secretPath)
	ferryman(t, state, env, "webhook", "test", "pager", "--wait", "30s")
	sent := c.await(t, "deliver webhook/pager", nil)
	call := c.await(t, "POST", nil)
	if h := got.first(); h.Get("Traceparent") != "00-"+sent.trace+"-"+call.id+"-01" {
		t.Errorf("the receiver was told %q, and the call is %+v", h.Get("Traceparent"), call)
	}
	if len(sent.links) != 0 {
		t.Errorf("nobody asked within a trace, and %+v has links", sent)
	}
	n.stop()
	c.holdsNone(t, secretPath)
}

func TestTraceFromCronToRows(t *testing.T) {
	t.Parallel()
	u, c, state := newUpstream(t), newCollector(t), t.TempDir()
	n := serve(t, state, append(append(u.env(), manual), c.env()...))
	n.awaitFirst()
	first := c.await(t, "sync warehouses", nil)
	if len(first.links) != 0 || first.parent != "" || first.attrs["ferryman.trigger"] != "schedule" {
		t.Errorf("the scheduled run is %+v", first)
	}

	program.MustDo(t, "PATCH", n.url+"/api/syncall", "", "traceparent", sampled)
	request := c.await(t, "PATCH /api/syncall", nil)
	run := c.await(t, "sync warehouses", func(s traced) bool { return len(s.links) > 0 })
	if request.trace != callersTrace || run.trace == callersTrace || run.links[0] != callersTrace+"-"+request.id {
		t.Errorf("the run is %+v, of the request %+v", run, request)
	}
	wantAttrs(t, run, map[string]string{"ferryman.cron": "warehouses", "ferryman.trigger": "http", "ferryman.rows.read": first.attrs["ferryman.rows.read"], "ferryman.batches": "1"})
	testwait.Until(t, "all spans of the run", func() bool { return len(c.below(run)) >= 3 })
	seen := map[string]int{}
	for _, s := range c.below(run) {
		seen[s.name]++
		switch s.name {
		case "GET":
			if !strings.HasPrefix(s.attrs["url.full"], u.url) || s.attrs["http.response.status_code"] != "200" {
				t.Errorf("a call of the API is %+v", s)
			}
		case "write batch":
			if s.attrs["db.system.name"] != "sqlite" || len(s.events) != 3 || s.events[1]["db.collection.name"] != "warehouses" {
				t.Errorf("the batch is %+v", s)
			}
		}
	}
	if seen["GET"] != 2 || seen["write batch"] != 1 || len(seen) != 2 {
		t.Errorf("below the run are %v", seen)
	}
	testwait.Until(t, "a line of the log has the trace "+run.trace, func() bool {
		return strings.Contains(n.logged(), "msg=\"sync done\"") && strings.Contains(n.logged(), "trace_id="+run.trace)
	})
	if code := n.stop(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
	for _, setting := range u.settings {
		name, value, _ := strings.Cut(setting, "=")
		if strings.Contains(name, "TOKEN") || strings.Contains(name, "PASSWORD") {
			c.holdsNone(t, value)
		}
	}
}

// A command's sync is traced too, below the span that its environment names.
func TestTraceOfACommand(t *testing.T) {
	t.Parallel()
	u, c := newUpstream(t), newCollector(t)
	ferryman(t, t.TempDir(), append(append(u.env(), "TRACEPARENT="+sampled), c.env()...), "warehouses", "sync")
	run := c.await(t, "sync warehouses", nil)
	if run.trace != callersTrace || run.parent != callersSpan || run.attrs["ferryman.trigger"] != "cli" {
		t.Errorf("the run is %+v", run)
	}
}

// Nothing waits for a collector that is not there, or that never answers.
func TestCollectorThatIsDown(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	stuck := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	t.Cleanup(stuck.Close)
	t.Cleanup(func() { close(hold) })
	for name, address := range map[string]string{"gone": testaddr.New(t).URL(), "stuck": stuck.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, state := newPeople(t), t.TempDir()
			n := serve(t, state, append(p.env(), "OTEL_EXPORTER_OTLP_ENDPOINT="+address))
			n.mustPost(messages(1, 3000)) // more than the queue holds
			p.awaitDistinct(t, 3000)
			begun := time.Now()
			if code := n.stop(); code != 0 {
				t.Errorf("the server ended with %d", code)
			}
			if took := time.Since(begun); took > 9*time.Second {
				t.Errorf("the stop took %v", took)
			}
			if told := strings.Count(n.logged(), "traces are dropped"); told > 1 {
				t.Errorf("the log tells of it %d times", told)
			}
		})
	}
}

// From the cron's wrapper to the rows: the job, here a sync of ours, is below the
// wrapper's span, and so are the reports.
func TestTraceOfACronJob(t *testing.T) {
	t.Parallel()
	u, c, state := newUpstream(t), newCollector(t), t.TempDir()
	env := append(append(u.env(), manual), c.env()...)
	n := serve(t, state, env)
	n.awaitFirst()
	ferryman(t, state, env, "app", "add", "shop")
	key := ferryman(t, state, env, "key", "create", "--app", "shop")
	ferryman(t, state, env, "cron", "add", "import", "--app", "shop")
	const password = "a-password-among-arguments"
	ferryman(t, state, append(env, "FERRYMAN_URL="+n.url, "FERRYMAN_API_KEY="+key, "TRACEPARENT="+sampled),
		"cron", "exec", "import", "--", "sh", "-c", `"$1" warehouses sync`, password, binary)

	job := c.await(t, "cron exec import", nil)
	if job.trace != callersTrace || job.parent != callersSpan || job.attrs["process.exit.code"] != "0" {
		t.Errorf("the job is %+v", job)
	}
	run := c.await(t, "sync warehouses", func(s traced) bool { return s.attrs["ferryman.trigger"] == "cli" })
	if run.trace != job.trace || run.parent != job.id {
		t.Errorf("the sync is %+v, and not below %+v", run, job)
	}
	for _, call := range []string{"start", "end"} {
		request := c.await(t, "POST /api/{id}/"+call, nil)
		reported := c.await(t, "ledger "+call, nil)
		if request.trace != job.trace || reported.parent != request.id || reported.attrs["ferryman.execution.id"] == "" {
			t.Errorf("%s is %+v, by %+v", call, reported, request)
		}
	}
	n.stop()
	c.holdsNone(t, key, password)
}
