package httpapi

import (
	"net/http"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// A caller's word on what is traced counts once the caller is let in.
func TestWhoIsNotLetInHasNothingTraced(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	h := open(t, func(o *Options) {
		o.LoopbackOnly, o.KeysOnly = false, true
		o.Dashboard = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
		o.Tracer = sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())), sdk.WithSpanProcessor(recorder)).Tracer("")
	})
	for _, call := range []struct {
		method, path, key string
		status, traced    int
	}{
		{"PATCH", "/api/syncall", "", 401, 0},
		{"PATCH", "/api/syncall", "ferryman root", 401, 0},
		{"PATCH", "/api/syncall", "shop admin", 403, 0},
		{"POST", "/ui/sign-in", "", 403, 0},
		{"PATCH", "/api/syncall", "ferryman admin", 200, 1},
	} {
		headers := []string{"Host", "ferry.example", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
		if call.key != "" {
			headers = append(headers, "X-API-KEY", call.key)
		}
		a := h.do(call.method, call.path, "", headers...)
		recorded := recorder.Ended()
		if recorder.Reset(); a.StatusCode != call.status || len(recorded) != call.traced {
			t.Errorf("%s by %q: %d, and %d spans", call.path, call.key, a.StatusCode, len(recorded))
			continue
		}
		for _, s := range recorded {
			if s.Parent().SpanID().String() != "00f067aa0ba902b7" {
				t.Errorf("it is not below its caller: %v", s.Parent())
			}
		}
	}
}
