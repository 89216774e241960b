package jobs_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/jobs"
)

// The engine's pages show its jobs on both databases, and what they load is theirs.
func TestPages(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		e := newEngine(t, d, "a", func(context.Context, jobs.Job[greet]) error { return nil })
		enqueue(t, d, e, greet{Name: "ann"})
		pages, err := e.Pages("/ui/jobs")
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(pages)
		defer server.Close()
		call := func(method, path, body string) (int, string, http.Header) {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/ui/jobs"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			text, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			return answer.StatusCode, string(text), answer.Header
		}

		status, page, _ := call("GET", "/", "")
		if status != http.StatusOK || regexp.MustCompile(`<style|(src|href)="(https?:)?//|<script>`).MatchString(page) {
			t.Errorf("%d %s", status, page)
		}
		for _, m := range regexp.MustCompile(`(?:src|href)="/ui/jobs(/assets/[^"]*)"`).FindAllStringSubmatch(page, -1) {
			if status, text, h := call("GET", m[1], ""); status != http.StatusOK || text == "" || !strings.Contains(h.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %d, %d bytes, %v", m[1], status, len(text), h)
			}
		}
		status, text, _ := call("GET", "/api/states", "")
		var states map[string]int
		if err := json.Unmarshal([]byte(text), &states); err != nil || states["available"] != 1 {
			t.Errorf("%d %s, %v", status, text, err)
		}
		status, text, _ = call("GET", "/api/jobs?state=available", "")
		var listed struct {
			Data []struct {
				ID json.Number `json:"id"`
			} `json:"data"`
		}
		if err := json.Unmarshal([]byte(text), &listed); err != nil || len(listed.Data) != 1 || !strings.Contains(text, `"greet"`) {
			t.Fatalf("%d %s, %v", status, text, err)
		}
		if status, text, _ := call("POST", "/api/jobs/cancel", `{"ids":["`+listed.Data[0].ID.String()+`"]}`); status != http.StatusOK {
			t.Errorf("%d %s", status, text)
		}
		if _, text, _ := call("GET", "/api/states", ""); !strings.Contains(text, `"cancelled":1`) {
			t.Error(text)
		}
		for _, path := range []string{"/api/queues", "/api/features", "/api/autocomplete?facet=job_kind"} {
			if status, text, _ := call("GET", path, ""); status != http.StatusOK {
				t.Errorf("%s: %d %s", path, status, text)
			}
		}
	})
}
