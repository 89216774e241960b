package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/e2e/program"
	"ferryman/internal/sandbox/campaign"
)

// callCentre is a simulated campaign API that lives longer than whoever reads it.
type callCentre struct {
	*campaign.Server
	url string
}

func newCallCentre(t testing.TB, o campaign.Options) *callCentre {
	t.Helper()
	s, err := campaign.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &callCentre{s, server.URL}
}

// control calls the simulator's control API.
func (c *callCentre) control(t testing.TB, method, path, body string) string {
	t.Helper()
	status, answer := do(t, method, c.url+"/_sandbox/campaigns/"+campaign.DefaultCampaign+path, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// change has some contacts change, each in one of the ways named; none: as life has it.
func (c *callCentre) change(t testing.TB, count int, kinds ...string) {
	t.Helper()
	if len(kinds) == 0 {
		kinds = []string{"mixed"}
	}
	for _, kind := range kinds {
		c.control(t, "POST", "/change", fmt.Sprintf(`{"kind":%q,"count":%d}`, kind, count))
	}
}

// flags are what a command needs to read the campaign into a database.
func (c *callCentre) flags(d database, more ...string) []string {
	return append([]string{
		"--campaign", campaign.DefaultCampaign, "--token", campaign.DefaultToken, "--base-url", c.url, "--target", d.url,
	}, more...)
}

// asDBSync2 makes a command ready to run under the name of the original client.
func asDBSync2(t testing.TB, state string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := command(t, state, nil, args...)
	link := filepath.Join(t.TempDir(), "dbsync2")
	if err := os.Symlink(binary, link); err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Args[0] = link, link
	return cmd
}

// finish runs a command to its end and gives its exit code and what it wrote.
func finish(t testing.TB, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	stdout, stderr, _ = program.Run(t, cmd) // its exit code tells
	return cmd.ProcessState.ExitCode(), stdout, stderr
}

// succeed runs a command that should end with the given code.
func succeed(t testing.TB, code int, cmd *exec.Cmd) (stdout string) {
	t.Helper()
	got, stdout, stderr := finish(t, cmd)
	if got != code {
		t.Fatalf("%s: exit code %d, want %d\n%s\n%s", strings.Join(cmd.Args[1:], " "), got, code, stdout, stderr)
	}
	return stdout
}

// contactTables are the tables of a mirror, with their keys.
var contactTables = map[string]string{"contacts": "$id", "transactions": "id", "connections": "id", "recordings": "id", "inbound_calls": "id"}

// expected are the rows that a perfect mirror has of a table, by their keys.
func (c *callCentre) expected(t testing.TB, table, query string) map[string]map[string]any {
	t.Helper()
	rows := map[string]map[string]any{}
	for line := range strings.Lines(c.lines(t, table, query)) {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		var row map[string]any
		if err := decoder.Decode(&row); err != nil {
			t.Fatalf("%v: %.200s", err, line)
		}
		rows[row[contactTables[table]].(string)] = row
	}
	return rows
}

// lines is what the simulator expects of a table, a JSON object a line.
func (c *callCentre) lines(t testing.TB, table, query string) string {
	t.Helper()
	return c.control(t, "GET", "/expected/"+table+query, "")
}

// standing are the rows that a table has, by their keys.
func (d database) standing(t testing.TB, table, key string) map[string]map[string]any {
	t.Helper()
	quote := `"`
	if strings.HasPrefix(d.url, "mysql") {
		quote = "`"
	}
	rows, err := d.QueryContext(t.Context(), "SELECT * FROM "+quote+table+quote) //nolint:unqueryvet // whatever is there
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]any{}
	for rows.Next() {
		values, pointers := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		row := make(map[string]any, len(names))
		for i, name := range names {
			row[name] = values[i]
		}
		all[fmt.Sprint(plain(row[key]))] = row
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// mustMirror compares all tables with what the campaign API holds, value by value.
func (c *callCentre) mustMirror(t testing.TB, d database, prefix, query string) {
	t.Helper()
	for table, key := range contactTables {
		want, got := c.expected(t, table, query), d.standing(t, prefix+table, key)
		if problems := unlike(want, got); len(problems) > 0 {
			t.Errorf("%s differs (%d rows wanted, %d there):\n%s", table, len(want), len(got), strings.Join(problems[:min(len(problems), 10)], "\n"))
		}
	}
}

// mustHaveLetters compares how many dead letters each table has with how many rows
// of the campaign cannot be.
func (c *callCentre) mustHaveLetters(t testing.TB, d database) {
	t.Helper()
	want := map[string]int{}
	for line := range strings.Lines(c.lines(t, "dead_letters", "?vanished=true")) {
		var letter struct {
			Table string `json:"table"`
			Count int    `json:"count"`
		}
		if err := json.Unmarshal([]byte(line), &letter); err != nil {
			t.Fatal(err)
		}
		want[letter.Table] += letter.Count
	}
	got := map[string]int{}
	for _, table := range d.column(t, "SELECT table_name FROM ferryman_dead_letters") {
		got[table]++
	}
	if !maps.Equal(want, got) {
		t.Errorf("dead letters %v, want %v", got, want)
	}
}

func unlike(want, got map[string]map[string]any) (problems []string) {
	for id, row := range want {
		there, ok := got[id]
		if !ok {
			problems = append(problems, "missing: "+id)
			continue
		}
		for name, value := range row {
			column, ok := columnFor(there, name)
			if !ok {
				if value != nil {
					problems = append(problems, fmt.Sprintf("%s: no column for %q", id, name))
				}
				continue
			}
			if !sameValue(value, there[column]) {
				problems = append(problems, fmt.Sprintf("%s: %q holds %.80q, not %.80q", id, name, fmt.Sprint(plain(there[column])), fmt.Sprint(value)))
			}
		}
		if there["$changed"] == nil {
			problems = append(problems, id+": has no $changed")
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			problems = append(problems, "too many: "+id)
		}
	}
	slices.Sort(problems)
	return problems
}

func plain(v any) any {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return v
}

// sameValue tells whether a database's value is the one of JSON.
func sameValue(want, got any) bool {
	got = plain(got)
	switch want := want.(type) {
	case nil:
		return got == nil
	case bool:
		text := strings.ToLower(fmt.Sprint(got))
		return got != nil && (text == "true" || text == "1") == want && (want || text == "false" || text == "0")
	case json.Number:
		x, ok := new(big.Rat).SetString(want.String())
		if f, isFloat := got.(float64); isFloat {
			wanted, _ := x.Float64()
			return ok && wanted == f
		}
		y, there := new(big.Rat).SetString(fmt.Sprint(got))
		return ok && there && x.Cmp(y) == 0
	default:
		return want == got
	}
}

// changedAt are the stamps of a table's rows.
func (d database) changedAt(t testing.TB, table, key string) map[string]string {
	t.Helper()
	stamps := map[string]string{}
	for id, row := range d.standing(t, table, key) {
		stamps[id] = fmt.Sprint(plain(row["$changed"]))
	}
	return stamps
}

// columnFor is the column of a field: of its name or, where the database has no such
// name, of one that ends in its checksum.
func columnFor(row map[string]any, field string) (string, bool) {
	if _, ok := row[field]; ok {
		return field, true
	}
	sum := sha256.Sum256([]byte(field))
	suffix := "_" + hex.EncodeToString(sum[:4])
	for name := range row {
		if strings.HasSuffix(name, suffix) {
			return name, true
		}
	}
	return "", false
}

// cut ends all connections to the database but the one that does so, as its restart
// would. Of a SQLite file there are none.
func (d database) cut(t testing.TB) {
	t.Helper()
	var find, end string
	switch {
	case strings.HasPrefix(d.url, "postgres"):
		find = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
		end = "SELECT pg_terminate_backend(%s)"
	case strings.HasPrefix(d.url, "mysql"):
		find = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
		end = "KILL %s"
	default:
		return
	}
	for _, id := range d.column(t, find) {
		// It may have gone meanwhile.
		_, _ = d.ExecContext(t.Context(), fmt.Sprintf(end, id))
	}
}
