package docs

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/certificate/certtest"
	"ferryman/internal/e2e/program"
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
				_, _, env = program.Warehouses(t)
				args = nil
			}
			newDocRun(t, path, text, env, args...).follow(lines, blocks)
		})
	}
}

// TestMetricsAreNamed compares the metrics that the operator's page lists, and those
// that the rules for alerts and the dashboard go by, with what a server has once
// everything has happened that is counted.
func TestMetricsAreNamed(t *testing.T) {
	t.Parallel()
	// The certificate's are of a server that has one.
	authority := certtest.NewAuthority(t)
	cert, key := authority.Issue(t, t.TempDir(), time.Now().Add(time.Hour), "127.0.0.1")
	settings := []string{"FERRYMAN_TLS_CERT_FILE=" + cert, "FERRYMAN_TLS_KEY_FILE=" + key}
	encrypted := program.Serve(t, binary, t.TempDir(), settings, "--warehouse-database", "sqlite:///"+filepath.Join(t.TempDir(), "w.db"))
	n := program.Serve(t, binary, t.TempDir(), nil, "--sandbox", "--sandbox-quiet", "--sandbox-listen", "127.0.0.1:0")
	program.MustDo(t, "PATCH", n.URL+"/api/syncall", "")
	program.MustDo(t, "POST", n.URL+"/messages/", `[{"user_id": 1, "messenger_id": 0, "text": "hello"}]`)
	var all []string
	testwait.Until(t, "the message is sent and counted", func() bool {
		all = unique(regexp.MustCompile(`(?m)^# TYPE (\w+)`), program.MustDo(t, "GET", n.URL+"/metrics", ""))
		last := "ferryman_delivery_lateness_seconds" // of what is counted of an attempt
		return slices.Contains(all, last) && slices.Contains(all, "ferryman_outbox_deliveries")
	})
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool(t), MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}, Timeout: testwait.Limit}
	answer, err := client.Get(encrypted.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, unique(regexp.MustCompile(`(?m)^# TYPE (ferryman_tls_\w+)`), string(text))...)
	slices.Sort(all)
	has := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !strings.HasPrefix(name, "ferryman_") })
	page := readDoc(t, "docs/operations.md")
	listed := unique(regexp.MustCompile("(?m)^\\| `(ferryman_\\w+)`"), page)
	if !slices.Equal(has, listed) {
		t.Errorf("docs/operations.md lists the metrics\n%q\nand a server has\n%q", listed, has)
	}
	rules := readDoc(t, "deploy/alerts.yml")
	for file, expressions := range map[string][]string{
		"deploy/alerts.yml":   unique(regexp.MustCompile(`(?m)^ +expr: (.*)$`), rules),
		"deploy/grafana.json": dashboardExpressions(t, readDoc(t, "deploy/grafana.json")),
	} {
		named := unique(regexp.MustCompile(`\b((?:ferryman|go|process)_\w+)`), strings.Join(expressions, "\n"))
		if len(named) < 10 {
			t.Errorf("%s goes by %q only: are its expressions still found?", file, named)
		}
		for _, name := range named {
			histogram := regexp.MustCompile("_(bucket|sum|count)$").ReplaceAllString(name, "")
			if !slices.Contains(all, name) && !slices.Contains(all, histogram) {
				t.Errorf("%s goes by %s, which no server has", file, name)
			}
		}
	}
	named := unique(regexp.MustCompile("(?m)^\\| `(Ferryman\\w+)`"), page)
	if alerts := unique(regexp.MustCompile(`alert: (\w+)`), rules); !slices.Equal(alerts, named) {
		t.Errorf("docs/operations.md explains the alerts\n%q\nand there are\n%q", named, alerts)
	}
}

// dashboardExpressions gives the queries of a dashboard of Grafana's, all of which are to
// go to the source of data that its reader chooses.
func dashboardExpressions(t *testing.T, text string) (all []string) {
	t.Helper()
	type source struct{ Type, UID string }
	type query struct {
		Expr       string
		Datasource source
	}
	var d struct {
		SchemaVersion int
		Templating    struct {
			List []struct{ Name, Type, Definition string }
		}
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ H, W, X, Y int }
			Targets []query
		}
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatalf("deploy/grafana.json: %v", err)
	}
	if vars := d.Templating.List; d.SchemaVersion == 0 || len(vars) == 0 || vars[0].Name != "datasource" || vars[0].Type != "datasource" {
		t.Errorf("it has schema version %d and the variables %+v", d.SchemaVersion, vars)
	}
	for _, v := range d.Templating.List {
		all = append(all, v.Definition)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.GridPos.H < 1 || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d, %q: %+v", p.ID, p.Title, p)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			if q.Datasource != (source{"prometheus", "${datasource}"}) || q.Expr == "" {
				t.Errorf("panel %q asks %+v", p.Title, q)
			}
			all = append(all, q.Expr)
		}
	}
	return all
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
