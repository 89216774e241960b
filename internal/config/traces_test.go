package config

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

func loadTraces(t *testing.T, environ ...string) (Config, []Warning, error) {
	t.Helper()
	return Load(Input{Environ: append(environ, "HOME=/home/x"), Dir: t.TempDir(), UID: 1000})
}

func TestTraces(t *testing.T) {
	c, _, err := loadTraces(t)
	if err != nil || c.Traces.URL != "" || c.Traces.Sampler != "parentbased_always_on" || c.Traces.Ratio != 1 || c.Traces.Service != "ferryman" {
		t.Errorf("without settings: %+v, %v", c.Traces, err)
	}
	c, warnings, err := loadTraces(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318/", "OTEL_EXPORTER_OTLP_HEADERS=api-key=a%2Cb%3D, x=y",
		"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=a b", "OTEL_SDK_DISABLED=TRUE")
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	got := c.Traces
	if got.URL != "http://127.0.0.1:4318/v1/traces" || got.Sampler != "traceidratio" || got.Ratio != 0.25 || !got.Disabled {
		t.Errorf("got %+v", got)
	}
	if len(got.Headers) != 2 || got.Headers["api-key"].Reveal() != "a,b=" || got.Headers["x"].Reveal() != "y" {
		t.Errorf("the headers are %q", got.Headers["api-key"].Reveal())
	}
	if !maps.Equal(got.Attributes, map[string]string{"deployment.environment.name": "a b"}) {
		t.Errorf("the attributes are %v", got.Attributes)
	}
	if said := fmt.Sprintf("%+v %v", c, c.Show()); strings.Contains(said, "a,b=") || strings.Contains(said, "a%2Cb") {
		t.Errorf("a header is shown: %s", said)
	}
	c, _, err = loadTraces(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://b/own/path")
	if err != nil || c.Traces.URL != "https://b/own/path" {
		t.Errorf("got %q, %v", c.Traces.URL, err)
	}
}

func TestTracesThatAreWrong(t *testing.T) {
	for _, setting := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4317", "OTEL_EXPORTER_OTLP_ENDPOINT=http://user:hidden@host",
		"OTEL_EXPORTER_OTLP_HEADERS=hidden", "OTEL_EXPORTER_OTLP_HEADERS==hidden", "OTEL_EXPORTER_OTLP_HEADERS=a b=hidden",
		"OTEL_EXPORTER_OTLP_HEADERS=a=hidden%0d%0ax", "OTEL_EXPORTER_OTLP_HEADERS=a=hidden%zz",
		"OTEL_TRACES_SAMPLER=hidden", "OTEL_TRACES_SAMPLER_ARG=2", "OTEL_TRACES_SAMPLER_ARG=nan", "OTEL_RESOURCE_ATTRIBUTES=hidden",
		"OTEL_EXPORTER_OTLP_HEADERS=" + strings.Repeat("a=hidden,", 2) + strings.Join(names(65), ","),
	} {
		_, _, err := loadTraces(t, setting)
		name, _, _ := strings.Cut(setting, "=")
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("n%d=v", i)
	}
	return all
}

func TestTracesThatAreDoubtful(t *testing.T) {
	const to = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.example.com:4317"
	for _, test := range []struct {
		settings []string
		want     string // "" for no warning
	}{
		{[]string{to}, ""},
		{[]string{to, "OTEL_EXPORTER_OTLP_HEADERS=a=b"}, "unencrypted"},
		{[]string{to, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "http/protobuf"},
		{[]string{to, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"}, ""},
		{[]string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, ""},
		{[]string{to, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_SDK_DISABLED=true"}, ""},
	} {
		_, warnings, err := loadTraces(t, test.settings...)
		if err != nil || (len(warnings) > 0) != (test.want != "") || len(warnings) > 0 && !strings.Contains(warnings[0].Detail, test.want) {
			t.Errorf("%v: %v, %v", test.settings, warnings, err)
		}
	}
}
