package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"ferryman/internal/certificate"
)

// certificateMetric tells Prometheus until when clients take the server's certificate.
func certificateMetric(h *certificate.Holder) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ferryman_tls_certificate_expiry_timestamp_seconds", Help: "When the server's certificate expires; without TLS there is none.",
	}, func() float64 { return float64(h.Current().Leaf.NotAfter.Unix()) })
}
