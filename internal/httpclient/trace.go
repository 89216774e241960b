package httpclient

import (
	"context"
	"strconv"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/span"
)

// begin begins the span of a request, which shows of its address what errors show.
func begin(ctx context.Context, r Request) (context.Context, trace.Span) {
	ctx, s := span.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindClient))
	if !s.IsRecording() {
		return ctx, s
	}
	s.SetAttributes(
		semconv.HTTPRequestMethodKey.String(r.Method), semconv.URLFull(r.address()), semconv.ServerAddress(r.URL.Hostname()),
		semconv.ServerPort(port(r)),
	)
	return ctx, s
}

func port(r Request) int {
	if n, err := strconv.Atoi(r.URL.Port()); err == nil {
		return n
	}
	if r.URL.Scheme == "http" {
		return 80
	}
	return 443
}

// end ends it with what came back.
func end(s trace.Span, status int, err error) {
	if !s.IsRecording() {
		return
	}
	if status != 0 {
		s.SetAttributes(semconv.HTTPResponseStatusCode(status))
	}
	if err == nil && (status < 200 || status > 299) { // an exchange has no error of it
		s.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
		s.SetStatus(codes.Error, "")
	}
	span.End(s, err)
}
