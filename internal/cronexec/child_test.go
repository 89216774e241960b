package cronexec

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/testaddr"
	"ferryman/internal/testwait"
)

// await waits until a file holds text.
func await(t *testing.T, file, text string) string {
	t.Helper()
	var content []byte
	testwait.Until(t, text+" in "+file, func() bool {
		content, _ = os.ReadFile(file)
		return bytes.Contains(content, []byte(text))
	})
	return string(content)
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "echo x", 0o644)
	script := write("script", "echo \"$1\"; exit 9", 0o755)
	orphan := write("orphan", "#!/no/such/interpreter\n", 0o755)
	for name, c := range map[string]struct {
		command []string
		code    int
	}{
		"success":              {[]string{"true"}, 0},
		"failure":              {[]string{"sh", "-c", "exit 255"}, 255},
		"killed":               {[]string{"sh", "-c", "kill -KILL $$"}, 137},
		"segmentation fault":   {[]string{"sh", "-c", "kill -SEGV $$"}, 139},
		"not found":            {[]string{"no-such-command"}, 127},
		"no such path":         {[]string{dir + "/nothing"}, 127},
		"no such interpreter":  {[]string{orphan}, 127},
		"not executable":       {[]string{plain}, 126},
		"not executable, PATH": {[]string{"plain"}, 126},
		"a directory":          {[]string{dir}, 126},
		"no interpreter named": {[]string{script, "one"}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(t, nil)
			w := wrapCommand(t, Options{URL: l.URL, Command: c.command})
			w.Env = append(w.Env, "PATH="+os.Getenv("PATH")+":"+dir)
			if code := w.run(); code != c.code {
				t.Errorf("code %d, want %d: %s", code, c.code, w.stderr.String())
			}
			if got := l.only(t, "/end").body["exit_code"]; got != float64(c.code) {
				t.Errorf("reported %v", got)
			}
			if said := w.stderr.String() != ""; said != (c.code == 126 || c.code == 127) {
				t.Errorf("says %q", w.stderr.String())
			}
		})
	}
}

func TestStdinIsUntouched(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(rand.N(256))
	}
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	// The command reads a little; the rest is still there for whoever comes next.
	w := wrap(t, Options{URL: l.URL}, "head -c 1 >/dev/null; exec cat")
	w.Stdin = in
	if code := w.run(); code != 0 {
		t.Fatalf("code %d: %s", code, w.stderr.String())
	}
	if got := w.stdout.Bytes(); len(got) == 0 || !bytes.HasSuffix(data, got) {
		t.Errorf("%d bytes came through, not as they were", len(got))
	}
}

// A command that floods its output is passed on whole, with memory for the tail
// alone.
func TestFlood(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream %t", stream), func(t *testing.T) {
			t.Parallel()
			const size = 48 << 20
			l := newLedger(t, nil)
			w := wrap(t, Options{URL: l.URL, Stream: stream}, fmt.Sprintf("yes 0123456789abcde | head -c %d; read _; printf 'the end\\n'", size))
			in, gate, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			w.Stdin, w.Stdout, w.Stderr = in, nil, nil
			out, err := w.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			w.start()
			got, want := sha256.New(), sha256.New()
			const first = 8 << 20
			if _, err := io.CopyN(got, out, first); err != nil {
				t.Fatal(err)
			}
			before := peakMemory(t, w.Process.Pid)
			if _, err := io.CopyN(got, out, size-first); err != nil {
				t.Fatal(err)
			}
			if more := peakMemory(t, w.Process.Pid) - before; more > 24<<20 { // of the race detector's, too
				t.Errorf("took %d bytes of memory more for %d bytes more of output", more, size-first)
			}
			fmt.Fprintln(gate)
			if _, err := io.Copy(got, out); err != nil {
				t.Fatal(err)
			}
			line := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)
			for range size / len(line) {
				want.Write(line)
			}
			want.Write([]byte("the end\n"))
			if code := w.end(); code != 0 || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
				t.Errorf("code %d, or not what was printed", code)
			}
			text := l.only(t, "/end").body["message"].(string)
			if len(text) != tailBytes || !strings.HasSuffix(text, "0123456789abcde\nthe end\n") {
				t.Errorf("the tail has %d bytes", len(text))
			}
		})
	}
}

// peakMemory is the most that a process had in memory, 0 if the system does not
// tell. What it tells when the process has ended includes its parent's.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, found := strings.Cut(string(content), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest + " -")[0])
	if !found || err != nil {
		t.Fatalf("no peak in %s", content)
	}
	return kib << 10
}

// Outputs that lead to one place keep the order in which they were printed.
func TestOrderOfOutputs(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	w := wrap(t, Options{URL: l.URL}, `i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); echo $i >&2; i=$((i+1)); done`)
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w.Stdout, w.Stderr = f, f
	if code := w.run(); code != 0 {
		t.Fatalf("code %d", code)
	}
	var want strings.Builder
	for i := range 500 {
		fmt.Fprintln(&want, i)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() || l.only(t, "/end").body["message"] != want.String() {
		t.Errorf("got %.200q…", got)
	}
}

// A process that was left in the background keeps its life, and does not keep
// anybody waiting.
func TestChildLeavesAProcessBehind(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	w := wrap(t, Options{URL: l.URL}, `sleep 300 & echo $!; exit 6`)
	begun := time.Now()
	if code := w.run(); code != 6 {
		t.Errorf("code %d", code)
	}
	if took := time.Since(begun); took > testwait.Limit {
		t.Errorf("took %v", took)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(w.stdout.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Errorf("the process is gone: %v", err)
	}
	if end := l.only(t, "/end").body; end["exit_code"] != 6.0 || end["duration_ms"].(float64) > 60_000 {
		t.Errorf("end %v", end)
	}
}

func TestReaderLeaves(t *testing.T) {
	t.Parallel()
	l := newLedger(t, nil)
	w := wrapCommand(t, Options{URL: l.URL, Command: []string{"yes"}})
	w.Stdout = nil
	out, err := w.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	if _, err := io.ReadFull(out, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	if code := w.end(); code != 128+int(syscall.SIGPIPE) {
		t.Errorf("code %d", code)
	}
	if end := l.only(t, "/end").body; end["exit_code"] != 141.0 {
		t.Errorf("end %v", end)
	}
}

func TestFullDiskDoesNotStopTheCommand(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	l := newLedger(t, nil)
	w := wrap(t, Options{URL: l.URL}, "echo out; echo more; exit 5")
	w.Stdout = full
	if code := w.run(); code != 5 || !strings.Contains(w.stderr.String(), "no space left") {
		t.Errorf("code %d, says %q", code, w.stderr.String())
	}
	if text := l.only(t, "/end").body["message"]; text != "out\nmore\n" {
		t.Errorf("message %q", text)
	}
}

// That nobody reads what we have to say keeps the command from nothing.
func TestNobodyReadsWhatIsSaid(t *testing.T) {
	t.Parallel()
	r, full, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := full.Write(make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	w := wrap(t, Options{URL: testaddr.New(t).URL()}, "exit 3")
	w.Stderr = full
	if code := w.run(); code != 3 {
		t.Errorf("code %d", code)
	}
}

// Without our own descriptors to spare the command still runs.
func TestNoPipesToBeHad(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger(t, nil)
	w := wrap(t, Options{URL: l.URL}, "echo out")
	// A limit of descriptors that leaves room for the start of a process.
	for limit := 6; limit < 40; limit++ {
		again := wrap(t, Options{URL: l.URL}, "echo out")
		again.Path, again.Args = sh, []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0"`, limit), w.Path}
		code := again.run()
		if out := again.stdout.String(); code == 0 && out != "out\n" {
			t.Errorf("limit %d: code 0, %q, %s", limit, out, again.stderr.String())
		} else if code == 0 {
			return
		}
	}
	t.Error("never ran")
}
