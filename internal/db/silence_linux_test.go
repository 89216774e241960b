package db_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/testdb"
)

// Who has sent something into a cut is told, and who waits for an answer, too: in the
// same time.
func TestTheSystemGivesUpConnections(t *testing.T) {
	d := dbtest.Open(t, testdb.Postgres(t), db.Options{})
	held, err := d.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	wire, ok := held.Conn().PgConn().Conn().(interface{ NetConn() net.Conn })
	if !ok {
		t.Fatalf("a connection by %T", held.Conn().PgConn().Conn())
	}
	conn, ok := wire.NetConn().(*net.TCPConn)
	if !ok {
		t.Fatalf("a connection by %T", wire.NetConn())
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func(name int) (v int) {
		t.Helper()
		var failed error
		err := raw.Control(func(fd uintptr) { v, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, name) })
		if err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		return v
	}
	unsent := time.Duration(option(unix.TCP_USER_TIMEOUT)) * time.Millisecond
	silent := time.Duration(option(unix.TCP_KEEPIDLE)+option(unix.TCP_KEEPCNT)*option(unix.TCP_KEEPINTVL)) * time.Second
	if unsent != silent || silent != 25*time.Second {
		t.Errorf("given up after %v, %v if nothing is under way", unsent, silent)
	}
}
