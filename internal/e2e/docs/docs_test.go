package docs

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/e2e/program"
	"ferryman/internal/sandbox/wms"
	"ferryman/internal/testwait"
)

// binary is the built program.
var binary string

func TestMain(m *testing.M) { os.Exit(program.Main(m, &binary)) }

func TestSourcesCountForTheCache(t *testing.T) {
	program.LookAtSources(t, filepath.Join("..", "..", ".."))
}

// TestDocs does what the documents tell a reader to do, and looks whether it comes out
// as they show it. A block of commands that cannot be run here says why, in a comment
// before it.
func TestDocs(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"README.md", "docs/guide.md", "docs/sandbox.md", "docs/operations.md", "docs/migrating.md"} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text := readDoc(t, path)
			lines := strings.Split(text, "\n")
			blocks, err := blocksOf(lines)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			var env []string
			args := []string{"--sandbox", "--sandbox-listen", "127.0.0.1:0"}
			if path == "docs/operations.md" { // of the real one
				env, args = warehouses(t), nil
			}
			newDocRun(t, path, text, env, args...).follow(lines, blocks)
		})
	}
}

// TestMetricsAreNamed compares the metrics that the operator's page lists, and those
// that the rules for alerts go by, with what a server has once everything has happened
// that is counted.
func TestMetricsAreNamed(t *testing.T) {
	t.Parallel()
	n := program.Serve(t, binary, t.TempDir(), nil, "--sandbox", "--sandbox-quiet", "--sandbox-listen", "127.0.0.1:0")
	call(t, "PATCH", n.URL+"/api/syncall", "")
	call(t, "POST", n.URL+"/messages/", `[{"user_id": 1, "messenger_id": 0, "text": "hello"}]`)
	const delivered = "ferryman_delivery_attempts_total"
	var has []string
	testwait.Until(t, "the message is sent", func() bool {
		has = unique(regexp.MustCompile(`(?m)^# TYPE (ferryman_\w+)`), call(t, "GET", n.URL+"/metrics", ""))
		return slices.Contains(has, delivered)
	})
	page := readDoc(t, "docs/operations.md")
	listed := unique(regexp.MustCompile("(?m)^\\| `(ferryman_\\w+)`"), page)
	if !slices.Equal(has, listed) {
		t.Errorf("docs/operations.md lists the metrics\n%q\nand a server has\n%q", listed, has)
	}
	rules := readDoc(t, "deploy/alerts.yml")
	for _, name := range unique(regexp.MustCompile(`(ferryman_(?:\w+_seconds|\w+_total|\w+_in_flight))\w*[{[)]`), rules) {
		if !slices.Contains(has, name) {
			t.Errorf("the rules for alerts go by %s, which no server has", name)
		}
	}
	named := unique(regexp.MustCompile("(?m)^\\| `(Ferryman\\w+)`"), page)
	if alerts := unique(regexp.MustCompile(`alert: (\w+)`), rules); !slices.Equal(alerts, named) {
		t.Errorf("docs/operations.md explains the alerts\n%q\nand there are\n%q", named, alerts)
	}
}

// warehouses starts a simulated WMS API and gives the settings of a server that reads
// from it.
func warehouses(t *testing.T) (env []string) {
	t.Helper()
	api, err := wms.New(wms.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return []string{"API_BASE_URL=" + server.URL + wms.DefaultBase, "API_USER=" + wms.DefaultUsername, "API_PASSWORD=" + wms.DefaultPassword}
}

// call makes an HTTP call that should succeed and gives its answer.
func call(t *testing.T, method, url, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testwait.Limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %s %v", method, url, res.Status, answer, err)
	}
	return string(answer)
}

// unique gives what the first group of a pattern finds in a text, sorted.
func unique(pattern *regexp.Regexp, text string) []string {
	var all []string
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func readDoc(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		shown, printed string
		want           bool
	}{
		{"a", "a\n", true}, {"a", "b\n", false}, {"a", "a\nb\n", false}, {"a  \n", "a\n\n", true},
		{"id …, at …", "id 7, at noon\n", true}, {"id …, at …", "id 7\n, at noon\n", false}, {"1.5", "1x5\n", false},
		{"a\n…\nd", "a\nb\nc\nd\n", true}, {"a\n…\nd", "a\nd\n", true}, {"a\n…", "a\nb\n", true}, {"…\nd", "a\nb\n", false},
		{"", "", true}, {"", "a\n", false}, {"…", "", true},
	} {
		if got := matches(tt.shown, tt.printed); got != tt.want {
			t.Errorf("%q shown, %q printed: %v", tt.shown, tt.printed, got)
		}
	}
}

func TestBlocksOf(t *testing.T) {
	lines := strings.Split("text\n```sh\ntrue\n```\n\n```text\nshown\n```\n<!-- not run: it needs root -->\n```sh\nsystemctl\n```\n"+
		"```yaml\n```\n<!-- fails: on purpose -->\n```sh\nfalse\n```\nwords\n```text\nno output\n```\n", "\n")
	got, err := blocksOf(lines)
	want := []block{
		{first: 2, last: 4, shows: true, shown: "shown", shownAt: 7},
		{first: 10, last: 12, skipped: "it needs root"},
		{first: 16, last: 18, fails: true},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for text, problem := range map[string]string{
		"```sh\ntrue":                        "line 1: the block has no end",
		"```console\n$ true\n```":            "line 1: commands stand in blocks of sh",
		"<!-- not run: -->\n```sh\n```":      "gives no reason",
		"<!-- fails -->\n```sh\n```":         "gives no reason",
		"<!-- not run: so -->\n\n```sh\n```": "line 1: no block of sh comes right after",
		"- a list\n  ```sh\n  ```":           "line 2: a fence begins",
	} {
		if _, err := blocksOf(strings.Split(text, "\n")); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
