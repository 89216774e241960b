package cronexec

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"ferryman/internal/span"
)

// traceVariable is where OpenTelemetry has a process find the trace that it belongs to.
const traceVariable = "TRACEPARENT="

// spansMost is how many calls of the server a run's trace shows. A job may be alive, or
// talk, for days.
const spansMost = 100

// beginSpan begins the span of a run. Without a tracer the server is told all the same
// of the trace that the run was begun in.
func (o *Options) beginSpan(ctx context.Context) (context.Context, trace.Span) {
	if i := slices.IndexFunc(o.Environ, isTrace); i >= 0 {
		ctx = span.Below(ctx, strings.TrimPrefix(o.Environ[i], traceVariable))
	}
	if o.Tracer == nil {
		return ctx, noop.Span{}
	}
	// The command is not told: its arguments may hold a password.
	ctx, s := o.Tracer.Start(ctx, "cron exec "+o.Slug, trace.WithAttributes(attribute.String("ferryman.cron", o.Slug)))
	ctx = span.WithBudget(ctx, spansMost)
	o.Environ = append(slices.DeleteFunc(slices.Clone(o.Environ), isTrace), traceVariable+span.Traceparent(ctx))
	return ctx, s
}

func isTrace(entry string) bool { return strings.HasPrefix(entry, traceVariable) }

// endSpan ends it with the exit code.
func endSpan(s trace.Span, code int) {
	s.SetAttributes(attribute.Int("process.exit.code", code))
	if code != 0 {
		s.SetStatus(codes.Error, "")
	}
	s.End()
}
