package sqlsink

import (
	"context"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	mssqldriver "github.com/microsoft/go-mssqldb"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/sink/sqlsink/tdsfake"
	"ferryman/internal/testwait"
)

func TestDiagnosesOfMSSQL(t *testing.T) {
	d := &mssql{user: "u", database: "d"}
	for number, want := range map[int32]class{
		1205: contended, 3960: contended, 1204: busy, 1222: busy, 4221: busy, 10928: busy, 10929: busy, 40143: busy, 40197: busy, 40501: busy,
		40540: busy, 40613: busy, 42108: busy, 42109: busy, 49918: busy, 49919: busy, 49920: busy, 10060: lost, 233: lost, 997: lost,
		2627: refused, 2601: refused, 245: refused, 515: refused, 547: refused, 2628: refused, 8152: refused, 8115: refused, 50000: refused, 51234: refused,
		207: mismatched, 208: mismatched, 5074: mismatched, 2714: exists, 2705: exists, 1913: exists, 229: forbidden, 262: forbidden, 3906: readOnly,
		18456: unauthorized, 4060: databaseMissing, 911: databaseMissing, 9002: full, 1105: full, 8003: unknown, 102: unknown, 0: refused, 3609: refused,
	} {
		if got := d.diagnose(fmt.Errorf("wrapped: %w", mssqldriver.Error{Number: number})).class; got != want {
			t.Errorf("%d is %d, want %d", number, got, want)
		}
	}
	// The last of several errors seldom says what was wrong.
	several := mssqldriver.Error{Number: 3621, All: []mssqldriver.Error{{Number: 2627}, {Number: 3621}}}
	if got := d.diagnose(several).class; got != refused {
		t.Errorf("several errors are %d", got)
	}
	if got := d.diagnose(mssqldriver.Error{Number: 40501}); got.wait != 10*time.Second {
		t.Errorf("an overloaded service is given %s", got.wait)
	}
	for _, err := range []error{driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, mssqldriver.StreamError{InnerError: errors.New("x")}, &net.OpError{Op: "read", Err: io.EOF}} {
		if got := d.diagnose(err).class; got != lost {
			t.Errorf("%v is %d", err, got)
		}
	}
	if got := d.diagnose(fmt.Errorf("TLS Handshake failed: %w", x509.UnknownAuthorityError{})); got.class != unreachable || !strings.Contains(got.hint, "trustServerCertificate") {
		t.Errorf("an unknown certificate is %+v", got)
	}
	for _, err := range []error{nil, errors.New("other")} {
		if got := d.diagnose(err).class; got != unknown {
			t.Errorf("%v is %d", err, got)
		}
	}
}

// oneRow is a batch of a table with a text.
var (
	oneText = table(pipeline.Column{Name: "a", Type: pipeline.Text})
	oneRow  = pipeline.Batch{Changes: []pipeline.Change{{Table: oneText, Rows: [][]any{{int64(1), "x"}}}}}
)

// prepared is a sink whose tables are there, and whose server is asked nothing yet.
func prepared(t *testing.T, f *mssqlFake) *Sink {
	t.Helper()
	s := openSink(t, f.url(), Options{Pipeline: "p", Tables: []*pipeline.Table{oneText}, Now: func() time.Time { return noon }})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Forget()
	return s
}

// What passes is tried again from the beginning of the transaction, what stays is not.
func TestMSSQLTriesAgain(t *testing.T) {
	for _, test := range []struct {
		number  int32
		begins  int
		careful int
		code    string
	}{
		{1204, 2, 0, ""}, {1205, 2, 0, ""}, {1222, 2, 0, ""}, {3960, 2, 0, ""}, {4221, 2, 0, ""}, {10928, 2, 0, ""}, {10929, 2, 0, ""}, {40143, 2, 0, ""},
		{40197, 2, 0, ""}, {40540, 2, 0, ""}, {40613, 2, 0, ""}, {42108, 2, 0, ""}, {42109, 2, 0, ""}, {49918, 2, 0, ""}, {49919, 2, 0, ""},
		{49920, 2, 0, ""}, {4060, 2, 0, ""}, {10060, 2, 0, ""}, {233, 2, 0, ""}, {997, 2, 0, ""},
		{2627, 2, 1, ""}, {2601, 2, 1, ""}, // the winner of the race is seen then
		{18456, 1, 0, "target_auth"}, {8003, 1, 0, "target_failed"},
		{207, 1, 0, "target_schema"}, {208, 1, 0, "target_schema"},
	} {
		t.Run(fmt.Sprint(test.number), func(t *testing.T) {
			f := fakeMSSQL(t)
			s := prepared(t, f)
			f.once(begins("UPDATE t SET"), tdsfake.Reply{Error: &tdsfake.Error{Number: test.number, Message: "no", EndsTransaction: true}})
			_, err := s.Write(t.Context(), oneRow)
			if (err == nil) != (test.code == "") || err != nil && fault.CodeOf(err) != test.code {
				t.Errorf("%v", err)
			}
			if begins, careful := asked(f.Requests(), "begin"), asked(f.Requests(), "SET XACT_ABORT OFF"); begins != test.begins || careful != test.careful {
				t.Errorf("%d transactions, %d careful", begins, careful)
			}
			if open := f.Open(); open != 1 {
				t.Errorf("%d connections", open)
			}
		})
	}
}

// Refused for good: the row is looked for, and nothing is waited for.
func TestMSSQLNeverTriesAgain(t *testing.T) {
	for _, number := range []int32{245, 515, 547, 2628, 8152} {
		f := fakeMSSQL(t)
		s := prepared(t, f)
		f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
			return tdsfake.Reply{Error: &tdsfake.Error{Number: number, Message: "not this"}}, strings.HasPrefix(r.Text, "INSERT INTO [t]")
		}
		landed, err := s.Write(t.Context(), oneRow)
		if err != nil || landed[0].Rejected != 1 {
			t.Errorf("%d: %+v, %v", number, landed, err)
		}
		if n := asked(f.Requests(), "begin"); n != 2 {
			t.Errorf("%d: %d transactions", number, n)
		}
	}
}

// The row that is refused is found by halves, each copied anew, and the rest lands.
func TestMSSQLHalves(t *testing.T) {
	f := fakeMSSQL(t)
	s := prepared(t, f)
	f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
		if r.Kind == tdsfake.Copy && len(r.Columns) == 2 {
			f.bad = false
			for _, row := range r.Rows {
				f.bad = f.bad || row[0] == int64(3)
			}
		}
		careful := asked(f.Requests(), "SET XACT_ABORT OFF") > 0
		return tdsfake.Reply{Error: &tdsfake.Error{Number: 2627, Message: "a place is taken", EndsTransaction: !careful}},
			f.bad && strings.HasPrefix(r.Text, "INSERT INTO [t]")
	}
	rows := [][]any{{int64(1), "a"}, {int64(2), "b"}, {int64(3), "c"}, {int64(4), "d"}}
	count := write(t, s, pipeline.Change{Table: oneText, Rows: rows})
	if count.Written != 3 || count.Rejected != 1 {
		t.Errorf("%+v", count)
	}
	golden(t, "testdata/mssql_careful.golden", transcript(f.Requests()))
	checkTSQL(t, f.Requests())
}

// A trigger that ends the transaction leaves no savepoint to go back to.
func TestMSSQLTransactionEndedByTrigger(t *testing.T) {
	f := fakeMSSQL(t)
	s := prepared(t, f)
	f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
		return tdsfake.Reply{Error: &tdsfake.Error{Number: 50000, Message: "not this", EndsTransaction: true}}, strings.HasPrefix(r.Text, "INSERT INTO [t]")
	}
	_, err := s.Write(t.Context(), oneRow)
	checkFault(t, err, fault.Invalid, "target_refused_row", "trigger")
}

func TestMSSQLBrokenCopies(t *testing.T) {
	f := fakeMSSQL(t)
	s := prepared(t, f)
	f.once(tdsfake.IsCopy, tdsfake.Reply{Then: tdsfake.DropInCopy})
	landed, err := s.Write(t.Context(), oneRow)
	if err != nil || landed[0].Inserted != 1 {
		t.Fatalf("%+v, %v", landed, err)
	}
	if n := asked(f.Requests(), "begin"); n != 2 {
		t.Errorf("%d transactions, want one more", n)
	}
	if first, last := f.Requests()[0].Connection, f.Requests()[len(f.Requests())-1].Connection; first == last {
		t.Error("the broken connection is used again")
	}

	// One that dies again and again is not waited for.
	f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
		return tdsfake.Reply{Then: tdsfake.DropInCopy}, tdsfake.IsCopy(r)
	}
	_, err = s.Write(t.Context(), oneRow)
	checkFault(t, err, fault.Unavailable, "target_unreachable")
}

// A connection that is left in the middle of a copy would have its next user wait.
func TestMSSQLCancelledCopies(t *testing.T) {
	t.Parallel() // the driver waits for some seconds
	f := fakeMSSQL(t)
	s := prepared(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	f.once(tdsfake.IsCopy, tdsfake.Reply{Then: tdsfake.HangInCopy})
	f.then(kindIs(tdsfake.Copy), cancel)
	if _, err := s.Write(ctx, oneRow); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if _, err := s.Write(t.Context(), oneRow); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "the connection is closed", func() bool { return f.Open() == 1 })
	if first, last := f.Requests()[0].Connection, f.Requests()[len(f.Requests())-1].Connection; first == last {
		t.Error("the connection is used again")
	}
}

// A statement that is cancelled leaves the connection fit for the next.
func TestMSSQLCancelledStatements(t *testing.T) {
	f := fakeMSSQL(t)
	s := prepared(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	f.once(begins("UPDATE t SET"), tdsfake.Reply{Then: tdsfake.Hang})
	f.then(begins("UPDATE t SET"), cancel)
	if _, err := s.Write(ctx, oneRow); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if _, err := s.Write(t.Context(), oneRow); err != nil {
		t.Fatal(err)
	}
	if n := asked(f.Requests(), "attention"); n == 0 || f.Open() != 1 {
		t.Errorf("%d cancelled, %d connections", n, f.Open())
	}
}

func TestMSSQLLostAnswers(t *testing.T) {
	for name, lost := range map[string]struct {
		fits  func(tdsfake.Request) bool
		reply tdsfake.Reply
	}{
		"begin":  {kindIs(tdsfake.Begin), tdsfake.Reply{Then: tdsfake.Drop}},
		"update": {begins("UPDATE t SET"), tdsfake.Reply{Then: tdsfake.Drop}},
		"copy":   {kindIs(tdsfake.Copy), tdsfake.Reply{Then: tdsfake.Drop}},
		"row":    {begins("SELECT CASE"), tdsfake.Reply{Columns: []tdsfake.Column{{Type: tdsfake.Int()}}, Then: tdsfake.DropInRow}},
	} {
		t.Run(name, func(t *testing.T) {
			f := fakeMSSQL(t)
			s := prepared(t, f)
			f.once(lost.fits, lost.reply)
			if landed, err := s.Write(t.Context(), oneRow); err != nil || landed[0].Inserted != 1 {
				t.Errorf("%+v, %v", landed, err)
			}
			if n := asked(f.Requests(), "commit"); n != 1 {
				t.Errorf("%d commits", n)
			}
		})
	}
	// Whether it was committed, nobody knows: that is for the caller to find out.
	f := fakeMSSQL(t)
	s := prepared(t, f)
	f.once(kindIs(tdsfake.Commit), tdsfake.Reply{Then: tdsfake.Drop})
	_, err := s.Write(t.Context(), oneRow)
	checkFault(t, err, fault.Unavailable, "target_unreachable", "at the end of a batch")
}

func TestMSSQLFaultsNameTheRemedy(t *testing.T) {
	for number, want := range map[int32]struct {
		kind       fault.Kind
		code, hint string
	}{
		18456: {fault.Unauthorized, "target_auth", "password"},
		4060:  {fault.Unconfigured, "target_database_missing", "CREATE DATABASE [warehouse]"},
	} {
		f := fakeMSSQL(t)
		f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
			return tdsfake.Reply{Error: &tdsfake.Error{Number: number, Message: "no"}}, r.Kind == tdsfake.Login
		}
		checkFault(t, prepareFault(t, f.url()), want.kind, want.code, want.hint)
	}
	f := fakeMSSQL(t)
	f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
		return tdsfake.Reply{Error: &tdsfake.Error{Number: 262, Message: "CREATE TABLE permission denied"}}, strings.HasPrefix(r.Text, "CREATE TABLE")
	}
	checkFault(t, prepareFault(t, f.url()), fault.Forbidden, "target_rights", "ALTER ROLE db_ddladmin ADD MEMBER [user]")
}
