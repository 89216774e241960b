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
		settings := []string{setting}
		if !strings.HasPrefix(setting, "OTEL_EXPORTER_OTLP_ENDPOINT=") {
			settings = append(settings, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318")
		}
		_, _, err := loadTraces(t, settings...)
		name, _, _ := strings.Cut(setting, "=")
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

// What is meant for other programs keeps nothing from working while nothing is traced.
func TestTracesOfOtherPrograms(t *testing.T) {
	const to = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
	wrong := []string{
		"OTEL_TRACES_SAMPLER=xray", "OTEL_TRACES_SAMPLER_ARG=endpoint=http://localhost:14250", "OTEL_RESOURCE_ATTRIBUTES=none",
		"OTEL_EXPORTER_OTLP_HEADERS=wrong", "OTEL_EXPORTER_OTLP_HEADERS_FILE=/does/not/exist", "OTEL_SERVICE_NAME=a	b",
	}
	for name, settings := range map[string][]string{
		"no collector":   append([]string{"OTEL_TRACES_EXPORTER=otlp"}, wrong...),
		"disabled":       append([]string{to, "OTEL_SDK_DISABLED=true"}, wrong...),
		"no exporter":    append([]string{to, "OTEL_TRACES_EXPORTER=none"}, wrong...),
		"wrong, unasked": {"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4317", "OTEL_SDK_DISABLED=true"},
	} {
		c, warnings, err := loadTraces(t, settings...)
		if err != nil || len(warnings) > 0 || c.Traces.URL != "" && !c.Traces.Disabled {
			t.Errorf("%s: %+v, %v, %v", name, c.Traces, warnings, err)
		}
	}
}

func TestWhoHasTheTraces(t *testing.T) {
	for exporters, off := range map[string]bool{
		"": false, "otlp": false, "OTLP": false, "console, otlp": false, "none": true, "None": true, "console": true, "zipkin,jaeger": true,
	} {
		c, _, err := loadTraces(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER="+exporters)
		if err != nil || c.Traces.Disabled != off {
			t.Errorf("%q: %+v, %v", exporters, c.Traces, err)
		}
	}
}

func TestHeadersOfTraces(t *testing.T) {
	c, _, err := loadTraces(t, "OTEL_EXPORTER_OTLP_HEADERS=a=b,c=d", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=x=hidden")
	if err != nil || len(c.Traces.Headers) != 1 || c.Traces.Headers["x"].Reveal() != "hidden" || strings.Contains(fmt.Sprint(c, c.Show()), "hidden") {
		t.Errorf("got %v, %v", c.Traces.Headers, err)
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
