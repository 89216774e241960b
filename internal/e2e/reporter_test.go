package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"ferryman/internal/e2e/program"
)

// books are the stores that the ledger may be in, each fresh: the settings that
// name it, given a state folder, and how the tests look at it. On PostgreSQL the
// program may do what docs/operations.md has it do, and no more.
var books = map[string]func(t testing.TB, state string) (env []string, look database){
	"sqlite": func(t testing.TB, state string) ([]string, database) {
		return nil, store(t, state)
	},
	"postgres": func(t testing.TB, state string) ([]string, database) {
		g := guardedStore(t)
		ferryman(t, state, nil, "migrate", "--store", g.owner)
		return []string{"FERRYMAN_STORE_URL=" + g.node}, g.database
	},
}

// ferryman runs the program to its end and gives what it writes.
func ferryman(t testing.TB, state string, env []string, args ...string) string {
	t.Helper()
	out, problems, err := program.Run(t, command(t, state, env, args...))
	if err != nil {
		t.Fatalf("ferryman %s: %v\n%s", strings.Join(args, " "), err, problems)
	}
	return strings.TrimSpace(out)
}

// reporter is an application that reports its crons: one connection, on which
// one call follows another. It is as bare as can be, because it shares the
// machine with the server that it measures.
type reporter struct {
	host, key string
	conn      net.Conn
	in        *bufio.Reader
	out       bytes.Buffer
}

func newReporter(t testing.TB, base, key string) *reporter {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &reporter{host: u.Host, key: key, conn: conn, in: bufio.NewReader(conn)}
}

// reported is what a call is answered.
type reported struct {
	status   int
	ID       int64 `json:"id"`
	Replayed bool  `json:"replayed"`
}

// post makes a call. Without an answer it gives an error.
func (r *reporter) post(path, body string) (answer reported, err error) {
	r.out.Reset()
	fmt.Fprintf(&r.out, "POST %s HTTP/1.1\r\nHost: %s\r\nX-API-KEY: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, r.host, r.key, len(body), body)
	if _, err := r.conn.Write(r.out.Bytes()); err != nil {
		return answer, err
	}
	res, err := http.ReadResponse(r.in, nil)
	if err != nil {
		return answer, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer, err
	}
	answer.status = res.StatusCode
	return answer, json.Unmarshal(text, &answer)
}

const succeeded = `{"type":"success","success":true}`
