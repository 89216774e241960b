package tracing

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// moody takes spans or not.
type moody struct {
	sdk.SpanExporter
	err error
}

func (m *moody) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return m.err }

// A collector that comes and goes is told of as seldom as one that is away.
func TestTheLogIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := &moody{}
		s := &sparing{SpanExporter: m, log: slog.New(slog.NewTextHandler(&log, nil))}
		send := func(err error) {
			m.err = err
			if err := s.ExportSpans(t.Context(), make([]sdk.ReadOnlySpan, 2)); err != nil {
				t.Error(err)
			}
		}
		said := func(want ...string) {
			t.Helper()
			var got []string
			for _, line := range regexp.MustCompile(`msg="(traces are \w+).*(lost=\d+)`).FindAllStringSubmatch(log.String(), -1) {
				got = append(got, line[1]+" "+line[2])
			}
			if log.Reset(); strings.Join(got, ", ") != strings.Join(want, ", ") {
				t.Errorf("the log has %q, want %q", got, want)
			}
		}
		away := errors.New("away")
		send(nil)
		said()
		send(away)
		said("traces are dropped lost=2")
		send(away)
		send(nil)
		said("traces are taken lost=2")
		for range 50 {
			time.Sleep(often / 100)
			send(away)
			send(nil)
		}
		said()
		time.Sleep(often)
		send(away)
		send(nil)
		said("traces are dropped lost=102", "traces are taken lost=0")
		send(away)
		time.Sleep(often)
		send(nil)
		said("traces are taken lost=2")
	})
}
