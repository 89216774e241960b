package e2e

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"ferryman/internal/e2e/program"
	"ferryman/internal/testdb"
	"ferryman/internal/testwait"
)

// grants are what docs/operations.md has a superuser do so that nodes may read and
// write and nothing else, with other names: first anywhere, then in the new database.
func grants(t testing.TB, name func(string) string) (server, database []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```sql\n(CREATE ROLE ferryman_owner .*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("docs/operations.md no longer tells of the users of the store")
	}
	renamed := regexp.MustCompile(`\bferryman(_owner|_node)?\b`).ReplaceAllStringFunc(string(m[1]), name)
	first, then, _ := strings.Cut(renamed, `\connect `)
	split := func(text string) (all []string) {
		for statement := range strings.SplitSeq(text, ";\n") {
			if statement = strings.TrimSpace(statement); statement != "" {
				all = append(all, statement)
			}
		}
		return all
	}
	_, then, _ = strings.Cut(then, "\n") // the name that comes after \connect
	server, database = split(first), split(then)
	if len(server) < 3 || len(database) < 3 {
		t.Fatalf("these are no users of the store: %s", renamed)
	}
	return server, database
}

// guarded is an empty store whose nodes' user may not make tables.
type guarded struct {
	database        // of a superuser
	owner    string // the URL for ferryman migrate
	node     string // the URL for all else
}

func guardedStore(t testing.TB) guarded {
	t.Helper()
	super := postgresDatabase(t)
	u, err := url.Parse(super.url)
	if err != nil {
		t.Fatal(err)
	}
	base := testdb.Name()
	anywhere, there := grants(t, func(name string) string { return base + strings.TrimPrefix(name, "ferryman") })
	exec := func(d database, statements ...string) {
		t.Helper()
		for _, s := range statements {
			if _, err := d.Exec(s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	t.Cleanup(func() {
		exec(super, "DROP DATABASE IF EXISTS "+base+" WITH (FORCE)", "DROP ROLE IF EXISTS "+base+"_owner", "DROP ROLE IF EXISTS "+base+"_node")
	})
	exec(super, anywhere...)
	u.Path = "/" + base
	g := guarded{database: open(t, u.String(), "pgx", u.String()+"&default_query_exec_mode=exec")}
	exec(g.database, there...)
	of := func(user string) string {
		u.User = url.UserPassword(base+"_"+user, user+"-password")
		return u.String()
	}
	g.owner, g.node = of("owner"), of("node")
	return g
}

// TestNodesNeedNotMakeTables has nodes do everything as a user who may read and write,
// but for what the owner of the tables does first. That all else works, too, is shown
// by the tests of the ledger and of messages, whose PostgreSQL has that user.
func TestNodesNeedNotMakeTables(t *testing.T) {
	t.Parallel()
	g, u, p, state := guardedStore(t), newUpstream(t), newPeople(t), t.TempDir()
	env := append(append(u.env(), p.env()...), "FERRYMAN_STORE_URL="+g.node)

	_, said, err := program.Run(t, command(t, state, env, "serve", "--listen", "127.0.0.1:0"))
	if err == nil || !strings.Contains(said, "permission denied") || !strings.Contains(said, "run ferryman migrate") {
		t.Errorf("without a schema: %v\n%s", err, said)
	}
	ferryman(t, state, nil, "migrate", "--store", g.owner)
	if said := ferryman(t, state, env, "migrate"); !strings.HasSuffix(said, "0 applied now") {
		t.Errorf("migrate by a node: %s", said)
	}

	target, err := url.Parse(g.node)
	if err != nil {
		t.Fatal(err)
	}
	rows := postgresDatabase(t)
	at, err := url.Parse(rows.url)
	if err != nil {
		t.Fatal(err)
	}
	at.User = target.User // may do nothing yet in the target
	env = append(env, "WAREHOUSE_DATABASE_URL="+at.String())
	first := serve(t, state, append(env, "WAREHOUSE_DATABASE_URL="+rows.url))
	first.mustSync(6)
	if code := first.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	n := serve(t, state, env)
	if _, s := n.syncall(); s.reason() != "target_rights" {
		t.Errorf("without any right in the target: %+v", s)
	}
	for _, statement := range []string{
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + target.User.Username(),
		"REVOKE TEMPORARY ON DATABASE " + strings.TrimPrefix(at.Path, "/") + " FROM PUBLIC",
	} {
		if _, err := rows.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := rows.Exec("DROP OWNED BY " + target.User.Username()); err != nil {
			t.Error(err)
		}
	})
	n.mustSync(6)

	ferryman(t, state, env, "app", "add", "shop")
	key := ferryman(t, state, env, "key", "create", "--app", "shop")
	r := newReporter(t, n.url, key)
	started, err := r.post("/api/nightly/start?create=1", "{}")
	if err != nil || started.ID == 0 {
		t.Fatalf("%+v, %v", started, err)
	}
	if ended, err := r.post("/api/"+fmt.Sprint(started.ID)+"/end", succeeded); err != nil || ended.status != 200 {
		t.Errorf("%+v, %v", ended, err)
	}
	n.mustPost(messages(1, 3))
	p.awaitDistinct(t, 3)
	testwait.Until(t, "the messages are noted as sent", func() bool { return g.states(t)["sent"] == 3 })
	if said := ferryman(t, state, env, "doctor", "--offline", "--listen", strings.TrimPrefix(n.url, "http://")); !strings.HasSuffix(said, "problems: 0") || !strings.Contains(said, "may not make tables") {
		t.Errorf("doctor: %s", said)
	}
	for line := range strings.Lines(n.logged()) {
		if strings.Contains(line, "denied") && !strings.Contains(line, "reason=target_rights") { // that is from before it was granted
			t.Errorf("it was refused something: %s", line)
		}
	}
	if _, err := open(t, g.node, "pgx", g.node).ExecContext(t.Context(), "CREATE TABLE public.more (id INT)"); err == nil {
		t.Error("the user may make tables: nothing was shown")
	}
	if code := n.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
