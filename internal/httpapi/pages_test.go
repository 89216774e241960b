package httpapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/syncs"
)

func TestFirstPage(t *testing.T) {
	good := syncs.Run{
		Trigger: "schedule", StartedAt: epoch, EndedAt: epoch.Add(1234567 * time.Microsecond),
		Report: pipeline.Report{Tables: []pipeline.TableCount{{Table: "users", Read: 6, Written: 5, Rejected: 2}}},
	}
	bad := syncs.Run{
		Trigger: "http", StartedAt: epoch, EndedAt: epoch.Add(time.Second),
		Reason: "timeout", Detail: "<script>alert(1)</script> did not answer",
	}
	for name, c := range map[string]struct {
		runs []syncs.Run
		want []string
		not  []string
	}{
		"none": {nil, []string{"None yet", "/api/syncall", "1.2.3"}, []string{"<table"}},
		"one":  {[]syncs.Run{good}, []string{"● ok", "2020-08-16", "10:25:57", "1.235s", `<td class="n">6</td>`, "2 rows were rejected"}, []string{"✕", "None yet"}},
		"many": {[]syncs.Run{good, good, bad}, []string{"✕ timeout", "&lt;script&gt;"}, []string{"<script"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			h.runs = c.runs
			a := h.do("GET", "/", "")
			if a.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", a.StatusCode, a.text)
			}
			for _, want := range c.want {
				if !strings.Contains(a.text, want) {
					t.Errorf("no %q in\n%s", want, a.text)
				}
			}
			for _, not := range c.not {
				if strings.Contains(a.text, not) {
					t.Errorf("%q in\n%s", not, a.text)
				}
			}
			if len(c.runs) > 1 && strings.Index(a.text, "timeout") > strings.Index(a.text, "● ok") {
				t.Error("the newest run is not first")
			}
		})
	}
	h := open(t)
	h.broken = &fault.Error{Kind: fault.Unavailable, Code: "store_unavailable", Detail: "the store does not answer"}
	h.wantProblem(h.do("GET", "/", ""), http.StatusServiceUnavailable, "store_unavailable")
}
