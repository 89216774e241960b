package tracing_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"ferryman/internal/span"
	"ferryman/internal/testwait"
	"ferryman/internal/tracing"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func begin(t testing.TB, c tracing.Config) (*tracing.Provider, *lines) {
	t.Helper()
	var log lines
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	if c.Sampler == "" {
		c.Sampler = "parentbased_always_on"
	}
	p, err := tracing.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.WithoutCancel(t.Context())) })
	return p, &log
}

func TestWhatIsSent(t *testing.T) {
	type call struct {
		path, key string
		data      tracepb.TracesData
	}
	calls := make(chan *call, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c := &call{path: r.URL.Path, key: r.Header.Get("Api-Key")}
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		body, err := io.ReadAll(z)
		if err == nil {
			err = proto.Unmarshal(body, &c.data)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%v, of type %q", err, r.Header.Get("Content-Type"))
		}
		calls <- c
	}))
	t.Cleanup(server.Close)
	p, _ := begin(t, tracing.Config{
		URL: server.URL + "/v1/traces", Headers: map[string]string{"api-key": "k"}, Service: "shop", Version: "1.2", Node: "n1",
		Attributes: map[string]string{"deployment.environment.name": "test", "service.name": "loses"},
	})
	_, s := p.Tracer().Start(t.Context(), "one")
	s.End()
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := testwait.Receive(t, calls)
	if c.path != "/v1/traces" || c.key != "k" || len(c.data.ResourceSpans) != 1 || c.data.ResourceSpans[0].ScopeSpans[0].Spans[0].Name != "one" {
		t.Errorf("sent was %+v", c)
	}
	said := fmt.Sprint(c.data.ResourceSpans[0].Resource)
	for _, want := range []string{"shop", "1.2", "n1", "deployment.environment.name"} {
		if !strings.Contains(said, want) {
			t.Errorf("the resource lacks %s: %s", want, said)
		}
	}
	if strings.Contains(said, "loses") {
		t.Errorf("the service has another name: %s", said)
	}
}

// Each is one of a kind that OTLP has repeated, or not.
func TestWhatIsRepeated(t *testing.T) {
	for status, want := range map[int]int64{http.StatusServiceUnavailable: 2, http.StatusTooManyRequests: 2, http.StatusBadRequest: 1, http.StatusOK: 1} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			var n atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if n.Add(1) == 1 {
					w.WriteHeader(status)
				}
			}))
			t.Cleanup(server.Close)
			p, log := begin(t, tracing.Config{URL: server.URL})
			_, s := p.Tracer().Start(t.Context(), "one")
			s.End()
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n.Load() != want || strings.Contains(log.String(), "dropped") != (status == http.StatusBadRequest) {
				t.Errorf("%d calls, want %d; the log has %s", n.Load(), want, log)
			}
		})
	}
}

func TestTroubleIsToldOnceAndHoldsNobodyUp(t *testing.T) {
	hold := make(chan struct{})
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 2 {
			<-hold
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hold) })
	p, log := begin(t, tracing.Config{URL: server.URL, Headers: map[string]string{"authorization": "Basic c2VjcmV0"}})
	for i := int64(1); i <= 3; i++ {
		for range 5000 { // more than the queue holds
			_, s := p.Tracer().Start(t.Context(), "one")
			s.End()
		}
		testwait.Until(t, "the collector is asked", func() bool { return asked.Load() >= i })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := p.Close(ctx); err == nil {
		t.Error("it is closed, and the collector has not answered")
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
	if told := strings.Count(log.String(), "traces are dropped"); told != 1 || strings.Contains(log.String(), "c2VjcmV0") {
		t.Errorf("the log has %s", log)
	}
}

// What there is no room for is counted: each span is taken, or told of.
func TestNoSpanIsLostUnsaid(t *testing.T) {
	hold := make(chan struct{})
	var taken atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-hold
		var data tracepb.TracesData
		z, err := gzip.NewReader(r.Body)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(z)
		}
		if err == nil {
			err = proto.Unmarshal(body, &data)
		}
		if err != nil {
			t.Error(err)
			return
		}
		taken.Add(int64(len(data.ResourceSpans[0].ScopeSpans[0].Spans)))
	}))
	t.Cleanup(server.Close)
	p, log := begin(t, tracing.Config{URL: server.URL})
	const most = 2048
	fill := func(n int) {
		for range n {
			_, s := p.Tracer().Start(t.Context(), "one")
			s.End()
		}
	}
	fill(most)
	if said := log.String(); said != "" {
		t.Errorf("there is room, and the log has %s", said)
	}
	fill(1)
	if said := log.String(); !strings.Contains(said, "left out") || !strings.Contains(said, "lost=1") {
		t.Errorf("there is no room, and the log has %s", said)
	}
	fill(1000)
	close(hold)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if taken.Load() != most || strings.Count(log.String(), "left out") != 1 {
		t.Errorf("%d are taken of %d; the log has %s", taken.Load(), most, log)
	}
}

func TestSamplers(t *testing.T) {
	const none, kept, dropped = "", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	for sampler, want := range map[string]string{ // below none, kept, dropped; after kept, dropped
		"always_on": "11111", "always_off": "00000", "traceidratio": "00000",
		"parentbased_always_on": "11010", "parentbased_always_off": "01010", "parentbased_traceidratio": "01010",
	} {
		p, _ := begin(t, tracing.Config{URL: "http://127.0.0.1:1", Sampler: sampler, Ratio: 0})
		got := ""
		note := func(s trace.Span) {
			if got += "0"; s.SpanContext().IsSampled() {
				got = got[:len(got)-1] + "1"
			}
		}
		for _, parent := range []string{none, kept, dropped} {
			_, s := p.Tracer().Start(span.Below(t.Context(), parent), "x")
			note(s)
		}
		for _, asked := range []string{kept, dropped} {
			_, s := p.Tracer().Start(t.Context(), "x", span.After(t.Context(), asked)...)
			note(s)
		}
		if got != want {
			t.Errorf("%s keeps %s, want %s", sampler, got, want)
		}
	}
}

func TestLogNamesTheSpan(t *testing.T) {
	p, _ := begin(t, tracing.Config{URL: "http://127.0.0.1:1"})
	var b lines
	log := tracing.Log(slog.New(slog.NewTextHandler(&b, nil))).With("a", 1)
	ctx, s := p.Tracer().Start(t.Context(), "x")
	log.InfoContext(ctx, "within")
	log.InfoContext(t.Context(), "beside")
	want := "trace_id=" + s.SpanContext().TraceID().String() + " span_id=" + s.SpanContext().SpanID().String()
	if within, beside, _ := strings.Cut(b.String(), "\n"); !strings.Contains(within, want) || strings.Contains(beside, "trace_id") {
		t.Errorf("the log has %s", b.String())
	}
}

// A collector that does not know its callers says so to whoever asks, and in the log, with
// what to set.
func TestCollectorThatWantsToKnowWho(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		var calls atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer s3cr3t" {
				w.WriteHeader(status)
			}
		}))
		defer server.Close()
		c := tracing.Config{URL: server.URL + "/v1/traces"}
		err := tracing.Ask(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_HEADERS") || calls.Load() != 1 {
			t.Errorf("%d: %v, %d calls", status, err, calls.Load())
		}
		p, log := begin(t, c)
		_, one := p.Tracer().Start(t.Context(), "one")
		one.End()
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "OTEL_EXPORTER_OTLP_HEADERS") {
			t.Errorf("%d: log %s", status, log)
		}
		c.Headers = map[string]string{"Authorization": "Bearer s3cr3t"}
		if err := tracing.Ask(t.Context(), c); err != nil {
			t.Errorf("with the header: %v", err)
		}
	}
}
