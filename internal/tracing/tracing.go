// Package tracing sends what Ferryman does to a collector, as OpenTelemetry traces by
// OTLP over HTTP. It alone knows OpenTelemetry's SDK; the parts of Ferryman know its
// interface, by package span.
//
// What cannot be sent is dropped: nothing waits for a collector, and no more than a
// queue of spans is in memory. The log is told of that now and then.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	otelsdk "go.opentelemetry.io/otel/sdk"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/span"
)

// Config is where traces go, and which.
type Config struct {
	URL     string            // of the collector's call that takes traces
	Headers map[string]string // sent with each; secret
	Sampler string            // as OTEL_TRACES_SAMPLER names it
	Ratio   float64           // of traces, for a sampler that goes by it: 0 to 1

	Service    string            // what the traces are of
	Attributes map[string]string // of the service, besides
	Node       string            // this process's name
	Version    string            // of the build
	Log        *slog.Logger
}

// The bounds of what waits to be sent.
const (
	queueMost = 2048 // spans in memory, those on their way included; more are dropped
	batchMost = 512
	batchWait = 2 * time.Second
	sendTime  = 10 * time.Second // for a batch, its repetitions included
)

// Provider is the traces of this process.
type Provider struct {
	sdk *sdk.TracerProvider
	end context.CancelFunc // calls off what is on its way
}

// New begins to trace, until Close. Whether the collector is there shows only with the
// first spans.
func New(ctx context.Context, c Config) (*Provider, error) {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	sender, err := newSender(c, ctx.Done())
	if err != nil {
		end()
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, sender)
	if err != nil {
		end()
		return nil, fmt.Errorf("trace: %w", err)
	}
	to := &sparing{SpanExporter: exporter, log: c.Log}
	batches := sdk.NewBatchSpanProcessor(to,
		sdk.WithMaxQueueSize(queueMost), sdk.WithMaxExportBatchSize(batchMost), sdk.WithBatchTimeout(batchWait), sdk.WithExportTimeout(sendTime))
	return &Provider{end: end, sdk: sdk.NewTracerProvider(
		sdk.WithSampler(samplerOf(c)),
		sdk.WithResource(c.resource()),
		sdk.WithSpanProcessor(queue{batches, to}),
	)}, nil
}

// Tracer begins spans.
func (p *Provider) Tracer() trace.Tracer { return p.sdk.Tracer(span.Scope) }

// Close sends what waits, until ctx ends.
func (p *Provider) Close(ctx context.Context) error {
	defer p.end()
	stop := context.AfterFunc(ctx, p.end)
	defer stop()
	if err := p.sdk.Shutdown(ctx); err != nil {
		return fmt.Errorf("end traces: %w", err)
	}
	return nil
}

// resource says what is the same of all spans of this process. There is no command line
// in it, where passwords may be.
func (c Config) resource() *resource.Resource {
	all := []attribute.KeyValue{
		semconv.ServiceName(c.Service), semconv.ServiceVersion(c.Version), semconv.ServiceInstanceID(c.Node),
		semconv.TelemetrySDKLanguageGo, semconv.TelemetrySDKName("opentelemetry"), semconv.TelemetrySDKVersion(otelsdk.Version()),
	}
	for name, value := range c.Attributes {
		if name != string(semconv.ServiceNameKey) {
			all = append(all, attribute.String(name, value))
		}
	}
	return resource.NewWithAttributes(semconv.SchemaURL, all...)
}

func samplerOf(c Config) sdk.Sampler {
	name, byParent := strings.CutPrefix(c.Sampler, "parentbased_")
	var s sdk.Sampler
	switch name {
	case "always_off":
		s = sdk.NeverSample()
	case "traceidratio":
		s = sdk.TraceIDRatioBased(c.Ratio)
	default:
		s = sdk.AlwaysSample()
	}
	if !byParent {
		return s
	}
	return follower{sdk.ParentBased(s)}
}

// follower decides on what was asked for in another trace as was decided on that: or
// of one request in a hundred, one delivery in a hundred would be seen.
type follower struct{ sdk.Sampler }

// ShouldSample implements sdk.Sampler.
func (f follower) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	if trace.SpanContextFromContext(p.ParentContext).IsValid() || len(p.Links) == 0 {
		return f.Sampler.ShouldSample(p)
	}
	p.ParentContext = trace.ContextWithRemoteSpanContext(p.ParentContext, p.Links[0].SpanContext)
	result := f.Sampler.ShouldSample(p)
	result.Tracestate = trace.TraceState{} // it is the other trace's
	return result
}
