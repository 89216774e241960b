package dashboard

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ferryman/internal/apikey"
	"ferryman/internal/rejected"
	"ferryman/internal/testwait"
)

// refused is a site whose log of refused calls has some, once they are written.
func refused(t *testing.T, calls ...rejected.Call) *site {
	t.Helper()
	var log *rejected.Log
	s := newSite(t, func(o *Options) { log = o.Rejected })
	for _, c := range calls {
		log.Note(c)
	}
	testwait.Until(t, "the calls are written", func() bool {
		all, err := log.List(t.Context(), 0, 0, len(calls)+1)
		return err == nil && len(all) == len(calls)
	})
	return s
}

func TestRejectedCallsAreShown(t *testing.T) {
	t.Parallel()
	s := refused(t,
		rejected.Call{Method: "POST", Path: "/api/nightly/start", Status: 401, Code: "unauthorized", Detail: "the API key is missing or not valid", KeyPrefix: "01234567", Remote: "192.0.2.7", Agent: hostile},
		rejected.Call{AppID: 1, Method: "POST", Path: "/api/nihgtly/start", Status: 404, Code: "cron_unknown", Detail: "there is no such cron", Remote: "192.0.2.8", Agent: "curl"},
		rejected.Call{AppID: 4711, Method: "POST", Path: "/api/a/start", Status: 418, Code: "odd", Remote: "192.0.2.9"},
	)
	page := s.page(Root + "rejected")
	s.shows(page, "No live key came with the call", "add the cron: a start with ?create=1", "!The key is good, and not for this", "fm_01234567…", "192.0.2.7",
		"/api/nihgtly/start", ">ferryman<", ">removed<", ">not known<", "!<script>alert", "&lt;script&gt;alert(1)")

	s.signIn("other", apikey.Read)
	s.shows(s.page(Root+"rejected"), "Every report of the last week was taken", "!192.0.2", "!nihgtly")
}

func TestRejectedCallsComeInPages(t *testing.T) {
	t.Parallel()
	var calls []rejected.Call
	for i := range rejectedOnPage + 5 {
		calls = append(calls, rejected.Call{Method: "POST", Path: fmt.Sprintf("/api/job-%d/start", i), Status: 404, Code: "cron_unknown"})
	}
	s := refused(t, calls...)
	page := s.page(Root + "rejected")
	rows := func(page string) int { return strings.Count(page, `data-label="Call"`) }
	if rows(page) != rejectedOnPage {
		t.Errorf("%d on the page", rows(page))
	}
	next := strings.Split(strings.Split(page, `" rel="next"`)[0], `<a href="`)
	page = s.page(next[len(next)-1])
	s.shows(page, "First page", `!rel="next"`)
	if rows(page) != 5 {
		t.Errorf("%d on the second page", rows(page))
	}
	s.shows(s.page(Root+"rejected?before=1"), "There are no older ones")
	if status, page := s.get(Root + "rejected?before=x"); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, page)
	}
}
