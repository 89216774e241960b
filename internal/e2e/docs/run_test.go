package docs

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ferryman/internal/testdb"
)

// docRun follows one document, command after command, on a machine that it makes up
// for it: folders, a server, and databases where the document has some.
type docRun struct {
	t    *testing.T
	path string // of the document
	env  []string
	// root stands for the file system: what the document has in /tmp is in root/tmp.
	root string
	// there and back turn what the document names into what there is, and the other
	// way round.
	there, back *strings.Replacer
}

// The folders that documents name, which must not be those of this machine.
var folders = []string{"/tmp", "/var/lib/ferryman", "/var/backups", "/etc/ferryman", "/etc/ssl/ferryman"}

// postgresURL is how documents name a PostgreSQL database.
var postgresURL = regexp.MustCompile(`postgres://ferry(?:man)?:password@[a-z.]+:5432/(\w+)`)

// newDocRun starts the server that a document takes for granted: the command line as
// the document has it, on ports of its own.
func newDocRun(t *testing.T, path string, text string, env []string, args ...string) *docRun {
	t.Helper()
	root := t.TempDir()
	d := &docRun{t: t, path: path, root: root}
	var pairs []string
	for _, folder := range folders {
		there := root + folder
		if err := os.MkdirAll(there, 0o700); err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, folder+"/", there+"/")
	}
	work := filepath.Join(root, "work")
	if err := os.MkdirAll(filepath.Join(work, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ferryman", "dbsync2"} { // as make install does
		if err := os.Symlink(binary, filepath.Join(work, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	// A call that is refused must not look as if it had gone well.
	curlrc := "silent\nfail-with-body\nmax-time = 30\n"
	if err := os.WriteFile(filepath.Join(root, ".curlrc"), []byte(curlrc), 0o600); err != nil {
		t.Fatal(err)
	}
	databases := map[string]string{}
	for _, m := range postgresURL.FindAllStringSubmatch(text, -1) {
		url, made := databases[m[1]]
		if !made {
			url = testdb.Postgres(t)
			databases[m[1]] = url
		}
		pairs = append(pairs, m[0], url)
	}
	d.env = append([]string{
		"PATH=" + filepath.Join(work, "bin") + ":" + os.Getenv("PATH"), "HOME=" + root, "LC_ALL=C.UTF-8", "TZ=UTC",
		"FERRYMAN_STATE_DIR=" + root + "/var/lib/ferryman", "DBSYNC_LOG_DIR=" + root + "/log",
	}, env...)
	server, simulators := d.serve(args)
	d.env = append(d.env, "FERRYMAN_URL=http://"+server)
	pairs = append(pairs, "127.0.0.1:8080", server)
	if simulators != "" {
		pairs = append(pairs, "127.0.0.1:8081", simulators)
	}
	d.there = strings.NewReplacer(pairs...)
	for i := 0; i < len(pairs); i += 2 {
		pairs[i], pairs[i+1] = pairs[i+1], pairs[i]
	}
	d.back = strings.NewReplacer(pairs...)
	return d
}

// What a server says of itself at its start.
var (
	servingAt    = regexp.MustCompile(`http://(\S+)/docs\b`)
	simulatorsAt = regexp.MustCompile(`http://([^/\s]+)/_sandbox/messages\b`)
)

// serve starts the server and gives its address and that of its simulators.
func (d *docRun) serve(args []string) (server, simulators string) {
	d.t.Helper()
	cmd := exec.Command(binary, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir, cmd.Env = filepath.Join(d.root, "work"), d.env
	log, err := os.Create(filepath.Join(d.root, "server.log"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if said, err := os.ReadFile(log.Name()); d.t.Failed() && err == nil {
			d.t.Logf("log of the server:\n%s", said)
		}
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if m := servingAt.FindStringSubmatch(lines.Text()); m != nil {
			server = m[1]
		}
		if m := simulatorsAt.FindStringSubmatch(lines.Text()); m != nil {
			simulators = m[1]
		}
		if strings.HasPrefix(lines.Text(), "Stop it") { // the last of its words
			return server, simulators
		}
	}
	d.t.Fatalf("the server of %s does not start", d.path)
	return "", ""
}

// follow runs the blocks of the document in one bash and compares what they print
// with what the document shows.
func (d *docRun) follow(lines []string, blocks []block) {
	d.t.Helper()
	out := filepath.Join(d.root, "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		d.t.Fatal(err)
	}
	script := filepath.Join(d.root, filepath.Base(d.path))
	if err := os.WriteFile(script, []byte(d.there.Replace(scriptOf(lines, blocks))), 0o600); err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), 4*time.Minute)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", script)
	bash.Dir, bash.Env = filepath.Join(d.root, "work"), append(d.env, "DOCS_OUT="+out)
	bash.WaitDelay = 10 * time.Second // for what it left in the background
	rest, err := bash.CombinedOutput()
	if err != nil {
		d.failed(out, blocks, fmt.Errorf("%w %s", err, rest))
	}
	for _, b := range blocks {
		if !b.shows || b.skipped != "" {
			continue
		}
		if printed := d.printed(out, b); !matches(b.shown, printed) {
			d.t.Errorf("%s:%d: the block before does not print this. It prints\n%s", d.path, b.shownAt, printed)
		}
	}
}

// failed tells which command of the document failed, and what it said.
func (d *docRun) failed(out string, blocks []block, err error) {
	d.t.Helper()
	var last block // that has begun
	for _, b := range blocks {
		if _, missing := os.Stat(filepath.Join(out, strconv.Itoa(b.first))); missing == nil {
			last = b
		}
	}
	line := strconv.Itoa(last.first)
	if told, missing := os.ReadFile(filepath.Join(out, "failed")); missing == nil {
		line = strings.TrimSpace(string(told))
	}
	what := "the command fails"
	if last.fails {
		what = "the block is said to fail, and does not"
	}
	d.t.Fatalf("%s:%s: %s: %v. The block prints\n%s", d.path, line, what, err, d.printed(out, last))
}

func (d *docRun) printed(out string, b block) string {
	text, err := os.ReadFile(filepath.Join(out, strconv.Itoa(b.first)))
	if err != nil {
		return err.Error()
	}
	return d.back.Replace(string(text))
}
