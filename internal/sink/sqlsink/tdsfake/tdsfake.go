// Package tdsfake speaks SQL Server's protocol, TDS 7.4, for tests: it notes what a
// client asks and answers as a script tells. It evaluates no SQL.
package tdsfake

import (
	"net"
	"slices"
	"sync"
	"testing"
)

// Kind is the sort of a request.
type Kind string

// The kinds of requests.
const (
	Login     Kind = "login"
	Batch     Kind = "batch"
	RPC       Kind = "rpc" // sp_executesql
	Begin     Kind = "begin"
	Commit    Kind = "commit"
	Rollback  Kind = "rollback"
	Copy      Kind = "copy" // the rows that follow INSERT BULK
	Attention Kind = "attention"
)

// Request is what a client asked.
type Request struct {
	Connection    int // counts from 1
	Kind          Kind
	Reset         bool    // the session was to be made as new first
	InTransaction bool    // as the client sees it
	Text          string  // of Batch and RPC
	Params        []Value // of RPC
	Columns       []Column
	Rows          [][]any // of Copy, as Value.Value
	User          LoginRecord
}

// LoginRecord is what a client logs in with.
type LoginRecord struct {
	Name, Password, Application, Server, Database string
	Encryption                                    byte // that the client asked for: 0 of the login, 1 of all, 2 none
}

// Reply is how a request is answered.
type Reply struct {
	Columns []Column
	Rows    [][]any
	Count   int64 // of rows that were affected
	Error   *Error
	Then    Fate
}

// Error is one of the server's.
type Error struct {
	Number          int32
	Message         string
	EndsTransaction bool
}

// Fate is what becomes of the connection.
type Fate int

// What may become of a connection.
const (
	Stay       Fate = iota
	Hang            // no answer until the client gives up
	Drop            // closed without an answer
	DropInRow       // closed in the middle of the first row of the answer
	DropInCopy      // answered, and closed in the middle of the rows that follow
	HangInCopy      // answered; the rows that follow are noted as a Copy without any, and nothing is answered any more
)

// Server listens for clients.
type Server struct {
	listener net.Listener
	answer   func(Request) Reply
	report   func(format string, args ...any)
	work     sync.WaitGroup

	mu       sync.Mutex
	requests []Request
	open     map[net.Conn]bool
	count    int
}

// Start listens on loopback until the test ends. answer is called for each request;
// for those of different connections it may be so at the same time.
func Start(tb testing.TB, answer func(Request) Reply) *Server {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{listener: listener, answer: answer, report: tb.Errorf, open: map[net.Conn]bool{}}
	s.work.Go(s.accept)
	tb.Cleanup(s.stop)
	return s
}

// Address is host and port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Requests are those that have come in so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Forget empties Requests.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Open is how many connections clients keep open.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (s *Server) stop() {
	_ = s.listener.Close() // it ends accept
	s.mu.Lock()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.count++
		c := &connection{server: s, Conn: conn, number: s.count}
		s.open[conn] = true
		s.mu.Unlock()
		s.work.Go(func() {
			defer func() {
				_ = conn.Close()
				s.mu.Lock()
				delete(s.open, conn)
				s.mu.Unlock()
			}()
			if err := c.serve(); !isClosed(err) {
				s.report("TDS connection %d: %v", c.number, err)
			}
		})
	}
}

// ask notes a request and asks the script.
func (s *Server) ask(r Request) Reply {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	return s.answer(r)
}
