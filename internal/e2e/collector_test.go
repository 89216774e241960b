package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"ferryman/internal/testwait"
)

// collector takes traces by OTLP over HTTP.
type collector struct {
	url string

	mu    sync.Mutex
	spans []traced
	raw   bytes.Buffer // all that came
}

// traced is a span as it came.
type traced struct {
	name, kind, trace, id, parent, status, service string
	attrs                                          map[string]string
	links                                          []string // of trace and span
	events                                         []map[string]string
}

const collectorKey = "collector-key-8f7a" // that it asks for

func newCollector(t testing.TB) *collector {
	t.Helper()
	c := &collector{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// env are the settings of a process that sends all its traces there.
func (c *collector) env() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.url, "OTEL_EXPORTER_OTLP_HEADERS=api-key=" + collectorKey}
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("Api-Key") != collectorKey {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	z, err := gzip.NewReader(r.Body)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(z)
	}
	var data tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(body, &data)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	for _, rs := range data.ResourceSpans {
		service := attrsOf(rs.Resource.Attributes)["service.name"]
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans = append(c.spans, tracedOf(s, service))
			}
		}
	}
}

func tracedOf(s *tracepb.Span, service string) traced {
	out := traced{
		name: s.Name, kind: s.Kind.String(), trace: hex.EncodeToString(s.TraceId), id: hex.EncodeToString(s.SpanId),
		parent: hex.EncodeToString(s.ParentSpanId), status: s.Status.GetCode().String(), service: service, attrs: attrsOf(s.Attributes),
	}
	for _, l := range s.Links {
		out.links = append(out.links, hex.EncodeToString(l.TraceId)+"-"+hex.EncodeToString(l.SpanId))
	}
	for _, e := range s.Events {
		attrs := attrsOf(e.Attributes)
		attrs["name"] = e.Name
		out.events = append(out.events, attrs)
	}
	return out
}

func attrsOf(all []*commonpb.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range all {
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			out[a.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			out[a.Key] = fmt.Sprint(v.IntValue)
		default:
			out[a.Key] = fmt.Sprint(v)
		}
	}
	return out
}

// named gives the spans of a name.
func (c *collector) named(name string) []traced {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []traced
	for _, s := range c.spans {
		if s.name == name {
			all = append(all, s)
		}
	}
	return all
}

// await gives the first span of a name that is as is wanted, once it has come.
func (c *collector) await(t testing.TB, name string, wanted func(traced) bool) traced {
	t.Helper()
	var found traced
	testwait.Until(t, "a span "+name, func() bool {
		for _, s := range c.named(name) {
			if wanted == nil || wanted(s) {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

// below gives the spans right below one.
func (c *collector) below(s traced) (all []traced) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.spans {
		if one.trace == s.trace && one.parent == s.id {
			all = append(all, one)
		}
	}
	return all
}

// holdsNone fails if what came holds one of the texts.
func (c *collector) holdsNone(t testing.TB, secrets ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range secrets {
		if bytes.Contains(c.raw.Bytes(), []byte(s)) {
			t.Errorf("the traces hold %q", s)
		}
	}
}
