package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"ferryman/internal/e2e/program"
	"ferryman/internal/testwait"
)

// jobs are applications' jobs that report until they are stopped.
type jobs struct {
	mu    sync.Mutex
	ended []string // ids of executions whose end was acknowledged
	stop  func()
}

func startJobs(t *testing.T, url, key string) *jobs {
	t.Helper()
	j := &jobs{}
	done := make(chan struct{})
	var all sync.WaitGroup
	for n := range 4 {
		r := newReporter(t, url, key)
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				started, err := r.post("/api/load/start?create=1", fmt.Sprintf(`{"rid":"%d.%d"}`, n, i))
				if err == nil {
					_, err = r.post(fmt.Sprintf("/api/%d/message", started.ID), `{"message":"half","type":"info"}`)
				}
				ended := reported{}
				if err == nil {
					ended, err = r.post(fmt.Sprintf("/api/%d/end", started.ID), succeeded)
				}
				if err != nil || ended.status != http.StatusOK {
					t.Errorf("job %d: %+v, %v", n, ended, err)
					return
				}
				j.mu.Lock()
				j.ended = append(j.ended, fmt.Sprint(started.ID))
				j.mu.Unlock()
			}
		})
	}
	j.stop = sync.OnceFunc(func() { close(done); all.Wait() })
	t.Cleanup(j.stop)
	return j
}

// acknowledged gives the executions that have ended so far.
func (j *jobs) acknowledged() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.ended)
}

// ended are the executions of a store that have their end and their message.
func (d database) ended(t *testing.T) []string {
	t.Helper()
	return d.column(t, `SELECT CAST(e.id AS TEXT) FROM executions e JOIN crons c ON c.id = e.cron_id
		WHERE c.slug = 'load' AND e.reported_at IS NOT NULL AND EXISTS (SELECT 1 FROM messages WHERE execution_id = e.id) ORDER BY e.id`)
}

func lacks(t *testing.T, what string, has, want []string) {
	t.Helper()
	there := map[string]bool{}
	for _, one := range has {
		there[one] = true
	}
	for _, one := range want {
		if !there[one] {
			t.Errorf("%s lacks execution %s", what, one)
		}
	}
}

// TestBackupUnderReports makes copies of a store by either command while jobs report,
// and starts servers on them.
func TestBackupUnderReports(t *testing.T) {
	t.Parallel()
	for name, book := range books {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			env, _ := book(t, state)
			env = append(env, manual, "FERRYMAN_KEY_RATE=0")
			n := serve(t, state, env)
			ferryman(t, state, env, "app", "add", "shop")
			key := ferryman(t, state, env, "key", "create", "--app", "shop")
			j := startJobs(t, n.url, key)
			some := func(more int) []string {
				had := len(j.acknowledged())
				testwait.Until(t, "jobs report", func() bool { return len(j.acknowledged()) >= had+more })
				return j.acknowledged()
			}
			file := filepath.Join(t.TempDir(), "store")
			before := some(30)
			ferryman(t, state, env, "export", file+".export")
			imported := t.TempDir()
			ferryman(t, imported, nil, "import", file+".export")
			lacks(t, "the export", store(t, imported).ended(t), before)
			copies := []string{imported}
			if name == "sqlite" {
				before = some(30)
				ferryman(t, state, env, "backup", file)
				restored := t.TempDir()
				ferryman(t, restored, nil, "restore", file)
				lacks(t, "the backup", store(t, restored).ended(t), before)
				copies = append(copies, restored)
			}
			some(30) // they went on meanwhile
			j.stop()
			if code := n.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			for _, folder := range copies {
				n := serve(t, folder, []string{manual})
				if again, err := newReporter(t, n.url, key).post("/api/load/start", `{"rid":"0.0"}`); err != nil || !again.Replayed {
					t.Errorf("the first start again: %+v, %v", again, err)
				}
			}
		})
	}
}

// TestMoveToPostgres moves a store from SQLite to PostgreSQL and back, with a server
// on each.
func TestMoveToPostgres(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	state, book := t.TempDir(), postgresDatabase(t)
	n := serve(t, state, p.env())
	ferryman(t, state, nil, "app", "add", "shop")
	key := ferryman(t, state, nil, "key", "create", "--app", "shop")
	j := startJobs(t, n.url, key)
	n.mustPost(messages(1, 20))
	p.awaitDistinct(t, 20)
	testwait.Until(t, "jobs report", func() bool { return len(j.acknowledged()) >= 50 })
	j.stop()
	store(t, state).awaitSent(t, 20)
	// The newest is pruned: its id must not come again.
	last, err := newReporter(t, n.url, key).post("/api/other/start?create=1", `{"rid":"last"}`)
	if err != nil || last.status != http.StatusOK {
		t.Fatal(last, err)
	}
	if code := n.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	write := store(t, state)
	if _, err := write.ExecContext(t.Context(), fmt.Sprintf("DELETE FROM executions WHERE id = %d", last.ID)); err != nil {
		t.Fatal(err)
	}
	const everything = `SELECT CAST(id AS TEXT) || ' ' || status || ' ' || CAST(started_at AS TEXT) || ' ' || coalesce(request, '-') FROM executions ORDER BY id`
	const tally = `SELECT status || ' ' || CAST(sum(n) AS TEXT) FROM application_hours WHERE at > 0 GROUP BY status ORDER BY status`
	want, counted := write.column(t, everything), write.column(t, tally)

	file := filepath.Join(t.TempDir(), "store.export")
	ferryman(t, state, nil, "export", file)
	there, elsewhere := t.TempDir(), append(p.env(), "FERRYMAN_STORE_URL="+book.url)
	if said := ferryman(t, there, elsewhere, "import", file); !strings.Contains(said, filepath.Join(there, "secret")) {
		t.Errorf("import tells nothing of the secret: %s", said)
	}
	book.mustHave(t, everything, want...)
	book.mustHave(t, tally, counted...)

	n = serve(t, there, elsewhere)
	r := newReporter(t, n.url, key)
	again, err := r.post("/api/load/start", `{"rid":"0.0"}`)
	if err != nil || !again.Replayed || !slices.Contains(j.acknowledged(), fmt.Sprint(again.ID)) {
		t.Errorf("the first start again: %+v, %v", again, err)
	}
	young, err := r.post("/api/load/start", `{"rid":"new"}`)
	if err != nil || young.Replayed || young.ID <= last.ID {
		t.Errorf("a new start after %d: %+v, %v", last.ID, young, err)
	}
	if status, body := do(t, "POST", n.url+"/messages/", messages(1, 1)); status != http.StatusBadRequest || !strings.Contains(body, "unique") {
		t.Errorf("a message that was sent before: %d %s", status, body)
	}
	n.mustPost(messages(21, 5))
	p.awaitDistinct(t, 25)
	book.awaitSent(t, 25)
	if total := p.Total(); total.Arrived != 25 {
		t.Errorf("%d messages arrived, of 25", total.Arrived)
	}
	if code := n.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	// And back.
	want, counted = book.column(t, everything), book.column(t, tally)
	ferryman(t, there, elsewhere, "export", file, "--force")
	back := t.TempDir()
	ferryman(t, back, nil, "import", file)
	store(t, back).mustHave(t, everything, want...)
	store(t, back).mustHave(t, tally, counted...)
	n = serve(t, back, p.env())
	if again, err := newReporter(t, n.url, key).post("/api/load/start", `{"rid":"new"}`); err != nil || !again.Replayed || again.ID != young.ID {
		t.Errorf("the newest start again: %+v, %v", again, err)
	}
}

// TestKilledImport kills an import that has read half of the file, and looks that
// nothing is left of it and that it can be done again.
func TestKilledImport(t *testing.T) {
	t.Parallel()
	source, file := t.TempDir(), filepath.Join(t.TempDir(), "store.export")
	ferryman(t, source, nil, "app", "add", "shop")
	const rows = 200_000
	_, err := store(t, source).ExecContext(t.Context(), fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO senders (name, alive_until) SELECT hex(randomblob(20)), i FROM n`, rows))
	if err != nil {
		t.Fatal(err)
	}
	ferryman(t, source, nil, "export", file)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, book := range books {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			env, look := book(t, state)
			if name == "postgres" { // it takes the owner of the tables
				look = postgresDatabase(t)
				env = []string{"FERRYMAN_STORE_URL=" + look.url}
			}
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				importing := command(t, state, env, "import", pipe)
				if err := importing.Start(); err != nil {
					t.Fatal(err)
				}
				killed := make(chan struct{})
				go func() {
					_ = importing.Wait() // it is killed
					close(killed)
				}()
				// A pipe holds 64 KiB: what is written has been read but for so much.
				in, err := os.OpenFile(pipe, os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := in.Write(content[:3*len(content)/4]); err != nil {
					t.Fatal(err)
				}
				if err := importing.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				<-killed
				_ = in.Close()
				if n := look.column(t, "SELECT CAST((SELECT count(*) FROM senders) + (SELECT count(*) FROM applications) AS TEXT)"); !slices.Equal(n, []string{"1"}) {
					t.Errorf("%v rows are left", n)
				}
			}
			ferryman(t, state, env, "import", file)
			if n := look.column(t, "SELECT CAST(count(*) AS TEXT) FROM senders"); !slices.Equal(n, []string{fmt.Sprint(rows)}) {
				t.Errorf("%v rows are imported", n)
			}
			_, said, err := program.Run(t, command(t, state, env, "import", file))
			if exit, is := err.(*exec.ExitError); !is || exit.ExitCode() != 5 || !strings.Contains(said, fmt.Sprintf("senders (%d)", rows)) { //nolint:errorlint // it is as it comes
				t.Errorf("once more: %v %s", err, said)
			}
		})
	}
}

// TestBackupThatIsKilled looks that a copy is not taken for whole that is not.
func TestBackupThatIsKilled(t *testing.T) {
	t.Parallel()
	const rows = 300_000
	state, to := t.TempDir(), t.TempDir()
	ferryman(t, state, nil, "app", "add", "shop")
	_, err := store(t, state).ExecContext(t.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO senders (name, alive_until) SELECT hex(randomblob(20)), i FROM n`, rows)
	if err != nil {
		t.Fatal(err)
	}
	back := map[string]string{"backup": "restore", "export": "import"}
	for _, args := range [][]string{{"backup", filepath.Join(to, "copy.db")}, {"export", filepath.Join(to, "copy.export")}} {
		copying := command(t, state, nil, args...)
		if err := copying.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = copying.Wait() // it is killed
			close(ended)
		}()
		testwait.Until(t, "the copy has begun", func() bool {
			drafts, _ := filepath.Glob(args[1] + ".partial-*")
			for _, draft := range drafts {
				if info, err := os.Stat(draft); err == nil && info.Size() > 0 {
					return true
				}
			}
			select {
			case <-ended:
				return true // too fast to be caught; then it is whole
			default:
				return false
			}
		})
		_ = copying.Process.Kill()
		<-ended
		if _, err := os.Stat(args[1]); err == nil { // too fast, or killed when all was done
			fresh := t.TempDir()
			ferryman(t, fresh, nil, back[args[0]], args[1])
			store(t, fresh).mustHave(t, "SELECT CAST(count(*) AS TEXT) FROM senders", fmt.Sprint(rows))
		}
		ferryman(t, state, nil, append(args, "--force")...)
	}
}
