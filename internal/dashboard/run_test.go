package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/ledger"
)

// cron adds a cron to an application, which is added if need be.
func (s *site) cron(app, slug string, change ...func(*ledger.Settings)) ledger.Cron {
	s.t.Helper()
	if app != apikey.BuiltIn {
		s.key(app, apikey.Ping)
	}
	owner, err := s.keys.Application(s.t.Context(), app)
	if err != nil {
		s.t.Fatal(err)
	}
	settings := ledger.DefaultSettings()
	settings.Name = slug
	for _, c := range change {
		c(&settings)
	}
	c, err := s.ledger.Create(s.t.Context(), owner.ID, slug, settings)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// begin starts an execution of a cron.
func (s *site) begin(c ledger.Cron) ledger.Execution {
	s.t.Helper()
	e, _, err := s.ledger.Start(s.t.Context(), ledger.Start{App: c.AppID, Cron: ledger.Ref{ID: c.ID}, Trigger: ledger.HTTP, Holder: "host-1"})
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// says adds messages to an execution.
func (s *site) says(e ledger.Execution, kind ledger.MessageType, texts ...string) []ledger.Message {
	s.t.Helper()
	var all []ledger.Message
	for _, text := range texts {
		all = append(all, ledger.Message{Type: kind, Text: text})
	}
	said, err := s.ledger.Say(s.t.Context(), e.AppID, e.ID, all)
	if err != nil {
		s.t.Fatal(err)
	}
	return said
}

// ends reports the end of an execution.
func (s *site) ends(e ledger.Execution, r ledger.Report) {
	s.t.Helper()
	if _, err := s.ledger.Report(s.t.Context(), e.AppID, e.ID, r); err != nil {
		s.t.Fatal(err)
	}
}

// hostile is a text that would do harm if it were not shown as text.
const hostile = "<script>alert(1)</script>\"'&\x1b[31m\u202eevil"

// harmless is how it stands in a page.
const harmless = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;␛[31m⟨U&#43;202E⟩evil"

func TestRunPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "nightly")
	for range 3 {
		s.ends(s.begin(c), ledger.Report{Success: true, Type: ledger.Succeeded, Took: 2 * time.Second})
	}
	e := s.begin(c)
	s.says(e, ledger.Info, "begun", hostile)
	s.says(e, ledger.Error, strings.Repeat("x", 60<<10))
	code := int64(2)
	s.ends(e, ledger.Report{Type: ledger.Error, Message: "disk full", ExitCode: &code, Took: 5 * time.Second})

	path := fmt.Sprintf("%sruns/%d", Root, e.ID)
	page := s.page(path)
	s.shows(page, "Run "+fmt.Sprint(e.ID), "host-1", "exit code 2: disk full", "2.5× the usual", harmless, "!<script>alert", "the whole message",
		fmt.Sprintf(`rel="prev" href="/ui/runs/%d"`, e.ID-1), "!"+strings.Repeat("x", 5000))
	page = s.page(path + "?level=error")
	s.shows(page, "disk full", "!begun")
	s.shows(s.page(path+"?q=BEGUN"), "begun", "!disk full</span>")
	if status, page := s.get(path + "?level=loud"); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, page)
	}
	_, text := s.get(path + "/messages.txt")
	if lines := strings.Count(text, "\n"); lines != 4 || !strings.Contains(text, strings.Repeat("x", 60<<10)) {
		t.Errorf("%d lines of %d bytes", lines, len(text))
	}

	s.signIn("other", apikey.Admin)
	for _, path := range []string{path, path + "/messages.txt", path + "/tail", path + "/messages/1"} {
		if status, page := s.get(path); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, status, page)
		}
	}
	s.shows(s.page(Root+"runs"), "!nightly", "Nothing has run yet")
}

func TestRunsAreChosen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.shows(s.page(Root+"runs"), "Nothing has run yet")
	c := s.cron("shop", "nightly")
	for i := range runsOnPage + 10 {
		s.ends(s.begin(c), ledger.Report{Success: i%10 != 0, Type: ledger.Error, Message: fmt.Sprintf("run %d", i)})
	}
	page := s.page(Root + "runs?status=failed")
	if got := strings.Count(page, "<tr data-href"); got != 6 {
		t.Errorf("%d failed", got)
	}
	page = s.page(Root + "runs")
	if got := strings.Count(page, "<tr data-href"); got != runsOnPage {
		t.Errorf("%d on the page", got)
	}
	next := strings.Split(strings.Split(page, `rel="next"`)[0], `<a href="`)
	page = s.page(strings.TrimSuffix(next[len(next)-1], `" `))
	if got := strings.Count(page, "<tr data-href"); got != 10 {
		t.Errorf("%d on the second page", got)
	}
	s.shows(s.page(Root+"runs?host=elsewhere"), "No run matches")
	for _, query := range []string{"?status=odd", "?before=x", "?trigger=none", "?overdue=maybe", "?status=ok&status=failed", "?host=%zz"} {
		if status, page := s.get(Root + "runs" + query); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, status, page)
		}
	}
}

func TestReleaseOfARun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.begin(s.cron("shop", "nightly"))
	path := fmt.Sprintf("%sruns/%d", Root, e.ID)
	s.shows(s.page(path), "Release", "running")
	status, page := s.post(path, path+"/release")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, page)
	}
	s.shows(page, "no longer holds its place", "cancelled", "released in the dashboard by local")
	if noted := s.noted(); len(noted) != 1 || noted[0] != fmt.Sprintf("execution.release execution %d", e.ID) {
		t.Errorf("noted %q", noted)
	}
	_, page = s.post(path, path+"/release")
	s.shows(page, "The execution has ended.", `role="alert"`)
}

// The stream gives what was said since, then what comes, and ends with the run.
func TestTailOfARun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.begin(s.cron("shop", "nightly"))
	first := s.says(e, ledger.Info, "one", hostile)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	call, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s%sruns/%d/tail?after=%d", s.url, Root, e.ID, first[0].ID), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.client.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	next := func() (m tailMessage) {
		t.Helper()
		for lines.Scan() {
			if text, found := strings.CutPrefix(lines.Text(), "data: "); found {
				if json.Unmarshal([]byte(text), &m) != nil {
					m.Text = text
				}
				return m
			}
		}
		t.Fatalf("the stream ends: %v", lines.Err())
		return m
	}
	if m := next(); m.Text != visible(hostile) || m.Level != "info" {
		t.Errorf("%+v", m)
	}
	s.says(e, ledger.Warning, "two\nlines")
	if m := next(); m.Text != "two\nlines" || m.Level != "warning" {
		t.Errorf("%+v", m)
	}
	s.ends(e, ledger.Report{Success: true, Type: ledger.Succeeded, Message: "done"})
	if m := next(); m.Text != "done" {
		t.Errorf("%+v", m)
	}
	if m := next(); m.Text != "success" {
		t.Errorf("%+v", m)
	}
	for lines.Scan() {
		if lines.Text() != "" {
			t.Errorf("more comes: %q", lines.Text())
		}
	}
}

// The overview leads to the run that failed, also while the next one runs.
func TestAttentionLeadsToTheFailure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.cron("shop", "nightly")
	failed := s.begin(c)
	s.ends(failed, ledger.Report{Type: ledger.Error, Message: "disk full"})
	s.begin(c)
	s.shows(s.page(Root), "1 failing", fmt.Sprintf(`<tr data-href="/ui/runs/%d">`, failed.ID), "disk full")
}
