package config

import (
	"cmp"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"ferryman/internal/misspelt"
)

// warnUnknown looks for misspelt names. Other names are other programs' business.
func (l *loader) warnUnknown() {
	for _, name := range slices.Sorted(maps.Keys(l.dotenv)) {
		l.warnName(name, l.line(l.dotenv[name].Line))
	}
	for _, name := range slices.Sorted(maps.Keys(l.environ)) {
		if _, warned := l.dotenv[name]; !warned {
			l.warnName(name, string(FromEnvironment))
		}
	}
}

func (l *loader) warnName(name, from string) {
	if l.known[name] || l.foreign(name) {
		return
	}
	if near := misspelt.Nearest(name, slices.Collect(maps.Keys(l.known))); near != "" {
		l.warn(name, "no such setting (%s); did you mean %s?", from, near)
	} else if strings.HasPrefix(name, "FERRYMAN_") {
		l.warn(name, "no such setting (%s)", from)
	}
}

// foreign tells names that only look like settings: what a wrapped command is
// told, those of the test databases, and those that Kubernetes gives every
// container beside a service called ferryman.
func (l *loader) foreign(name string) bool {
	if name == "FERRYMAN_CRON" || name == "FERRYMAN_EXECUTION_ID" || strings.HasPrefix(name, "FERRYMAN_TEST_") {
		return true
	}
	_, kubernetes := l.environ["KUBERNETES_SERVICE_HOST"]
	return kubernetes && (strings.HasPrefix(name, "FERRYMAN_SERVICE_") || strings.HasPrefix(name, "FERRYMAN_PORT"))
}

// warnDoubtful tells of settings that are fine each by itself.
func (l *loader) warnDoubtful() {
	w := l.config.Warehouse
	if w.Token.Empty() && (w.User == "") != w.Password.Empty() {
		set, missing := "API_USER", "API_PASSWORD"
		if w.User == "" {
			set, missing = missing, set
		}
		l.warn(set, "has no effect without %s", missing)
	}
	if !w.Token.Empty() && (w.User != "" || !w.Password.Empty()) {
		l.warn("API_TOKEN", "is set, and wins over API_USER and API_PASSWORD")
	}
	if file := w.Database.File(); file != "" && file == l.config.Store.URL.File() {
		l.warn("WAREHOUSE_DATABASE_URL", "names the same SQLite file as FERRYMAN_STORE_URL; they would wait for each other, so give each its own")
	}
	if unencrypted(w.BaseURL) {
		l.warn("API_BASE_URL", "is http: the token and the password cross the network unencrypted")
	}
	if t := l.config.Traces; t.URL != "" && !t.Disabled {
		if len(t.Headers) > 0 && unencrypted(t.URL) {
			l.warn(endpointName, "is http: the headers cross the network unencrypted")
		}
		for _, name := range [...]string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
			if v := cmp.Or(l.dotenv[name].Value, l.environ[name]); v != "" && v != "http/protobuf" {
				l.warn(name, "has no effect: traces go by http/protobuf, for which collectors usually have the port 4318")
				break
			}
		}
	}
	if unencrypted(l.config.Exec.URL) {
		l.warn("FERRYMAN_URL", "is http: the key crosses the network unencrypted")
	}
}

// unencrypted tells whether a web address leads over a network without TLS.
func unencrypted(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "http" && !loopback(u.Hostname())
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
