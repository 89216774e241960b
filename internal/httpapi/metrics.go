package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newMetrics(registry *prometheus.Registry, version string) (metrics, error) {
	labels := []string{"route", "method", "status"}
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ferryman_http_requests_total", Help: "HTTP requests answered.",
		}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ferryman_http_request_duration_seconds", Help: "Time from a request's head to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 600},
		}, labels),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ferryman_http_requests_in_flight", Help: "HTTP requests being answered.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ferryman_build_info", Help: "Always 1; the labels tell the build.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.inFlight, build} {
		if err := registry.Register(c); err != nil {
			return metrics{}, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m metrics) observe(route, method string, status int, took time.Duration) {
	labels := []string{route, knownMethod(method), strconv.Itoa(status)}
	m.requests.WithLabelValues(labels...).Inc()
	m.duration.WithLabelValues(labels...).Observe(took.Seconds())
}

// knownMethod keeps what a client makes up out of labels and logs.
func knownMethod(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE":
		return method
	default:
		return "other"
	}
}

// gather answers with all metrics in the format that the scraper prefers.
func (s *Server) gather(r *http.Request) (reply, error) {
	families, err := s.o.Registry.Gather()
	if err != nil {
		return reply{}, fmt.Errorf("gather metrics: %w", err)
	}
	var buf bytes.Buffer
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	enc := expfmt.NewEncoder(&buf, format)
	for _, family := range families {
		if err := enc.Encode(family); err != nil {
			return reply{}, fmt.Errorf("encode metrics: %w", err)
		}
	}
	if closer, must := enc.(io.Closer); must { // OpenMetrics ends with a mark
		if err := closer.Close(); err != nil {
			return reply{}, fmt.Errorf("encode metrics: %w", err)
		}
	}
	return reply{mime: string(format), body: buf.Bytes()}, nil
}
