package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"ferryman/internal/fault"
	"ferryman/internal/httpclient"
)

// sender posts spans to a collector. It implements otlptrace.Client: OpenTelemetry's
// own would link gRPC in, to speak HTTP.
type sender struct {
	url    *url.URL
	header http.Header
	hidden []string // what no error may show
	client *httpclient.Client
	ended  <-chan struct{}
}

const (
	firstPause = time.Second // between two attempts at a batch, doubling
	maxAnswer  = 64 << 10    // bytes
)

func newSender(c Config, ended <-chan struct{}) (*sender, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unconfigured, Code: "not_configured", Detail: "the address of the collector is no URL"}
	}
	header := http.Header{"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"gzip"}}
	for name, value := range c.Headers {
		header.Set(name, value)
	}
	return &sender{
		url: u, header: header, hidden: slices.Collect(maps.Values(c.Headers)), ended: ended,
		client: httpclient.New(httpclient.Options{
			Timeout: sendTime, MaxAnswerBytes: maxAnswer, Version: c.Version, Conns: 1, Logger: slog.New(slog.DiscardHandler),
			Settings: httpclient.Settings{Address: "OTEL_EXPORTER_OTLP_ENDPOINT"},
		}),
	}, nil
}

// Start implements otlptrace.Client.
func (s *sender) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (s *sender) Stop(context.Context) error {
	s.client.Close()
	return nil
}

// UploadTraces implements otlptrace.Client. What may go better later is repeated for as
// long as ctx allows.
func (s *sender) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	body, err := pack(spans)
	if err != nil {
		return err
	}
	for pause := firstPause; ; pause *= 2 {
		e, err := s.post(ctx, body, s.url)
		if err == nil || e.Status != 0 && !passes(e.Status) {
			return err
		}
		wait := time.NewTimer(max(pause, e.RetryAfter(sendTime)))
		select {
		case <-ctx.Done():
			wait.Stop()
			return err
		case <-wait.C:
		}
	}
}

// post makes one attempt. The answer is there, without a status if nobody gave one, also
// beside an error, in which the address is as shown.
func (s *sender) post(ctx context.Context, body []byte, shown *url.URL) (httpclient.Exchange, error) {
	e, err := s.client.Exchange(ctx, httpclient.Request{
		Method: http.MethodPost, URL: s.url, Shown: shown, Header: s.header, Body: body, Secrets: s.hidden,
	})
	if err == nil {
		err = s.client.Fault(e)
	}
	f, ok := errors.AsType[*fault.Error](err)
	if ok && (f.Kind == fault.Unauthorized || f.Kind == fault.Forbidden) {
		hinted := *f
		hinted.Hint = "set OTEL_EXPORTER_OTLP_HEADERS to the headers by which the collector knows its callers, such as authorization=Bearer%20TOKEN"
		return e, &hinted
	}
	return e, err
}

// Ask sends the collector no spans, once, and gives why it would not take any.
func Ask(ctx context.Context, c Config) error {
	s, err := newSender(c, nil)
	if err != nil {
		return err
	}
	defer s.client.Close()
	body, err := pack(nil)
	if err != nil {
		return err
	}
	_, err = s.post(ctx, body, &url.URL{Scheme: s.url.Scheme, Host: s.url.Host}) // its path may tell who calls
	return err
}

// passes tells which answers OTLP has repeated.
func passes(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// pack writes spans as OTLP has them. TracesData is on the wire what
// ExportTraceServiceRequest is, whose package is gRPC's.
func pack(spans []*tracepb.ResourceSpans) ([]byte, error) {
	plain, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return nil, fmt.Errorf("write spans: %w", err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write(plain)
	if closed := z.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, fmt.Errorf("pack spans: %w", err)
	}
	return packed.Bytes(), nil
}
