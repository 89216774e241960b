package app

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/span"
	"ferryman/internal/tracing"
)

// flushTime is how long an end waits for the last spans to be taken.
const flushTime = 2 * time.Second

// traced gives o, so that what is done by it is traced if the settings ask for that,
// and end, which sends what is left.
func (o Options) traced(ctx context.Context, node string) (_ Options, end func() error, err error) {
	t := o.Config.Traces
	if o.tracer != nil || t.URL == "" || t.Disabled {
		return o, func() error { return nil }, nil
	}
	p, err := tracing.New(ctx, o.tracing(node))
	if err != nil {
		return o, nil, err
	}
	log := o.Log
	o.tracer, o.Log = p.Tracer(), tracing.Log(o.Log)
	return o, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
		defer cancel()
		if err := p.Close(ctx); err != nil { // no reason for a server or a sync to fail
			log.Warn("the last traces were not taken in time", "err", err)
		}
		return nil
	}, nil
}

// tracing is how and where to the settings would have node trace.
func (o Options) tracing(node string) tracing.Config {
	t := o.Config.Traces
	headers := make(map[string]string, len(t.Headers))
	for name, value := range t.Headers {
		headers[name] = value.Reveal()
	}
	return tracing.Config{
		URL: t.URL, Headers: headers, Sampler: t.Sampler, Ratio: t.Ratio,
		Service: t.Service, Attributes: t.Attributes, Node: node, Version: o.Version, Log: o.Log,
	}
}

// Tracer is for a command that traces what it does by itself: nil if the settings ask
// for no traces. end sends what is left, and takes 2 s at most.
func Tracer(ctx context.Context, o Options) (t trace.Tracer, end func(), err error) {
	o, last, err := o.traced(ctx, nodeName())
	if err != nil {
		return nil, func() {}, err
	}
	return o.tracer, func() { _ = last() }, nil
}

// below gives ctx the place that o.Traceparent names, if anything is traced.
func (o Options) below(ctx context.Context) context.Context {
	if o.tracer == nil {
		return ctx
	}
	return span.Below(ctx, o.Traceparent)
}
