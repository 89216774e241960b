package db

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"ferryman/internal/fault"
	"ferryman/internal/testwait"
)

func TestServersThatAreTooOld(t *testing.T) {
	for version, told := range map[string]string{
		"14.0":                           "",
		"14beta1":                        "",
		"14devel":                        "",
		"15.18 (Debian 15.18-0+deb12u1)": "",
		"18":                             "",
		"100.1":                          "",
		"13.22 (Ubuntu 13.22-1.pgdg)":    "version 13.22,",
		"13rc1":                          "version 13rc1,",
		"13":                             "version 13,",
		"12.0":                           "version 12.0,",
		"9.6.24":                         "version 9.6.24,",
		"":                               "", // a pooler that does not tell
		"newest":                         "",
	} {
		err := checkServer(version)
		if told == "" {
			if err != nil {
				t.Errorf("%q: %v", version, err)
			}
			continue
		}
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code != "store_version" || f.Kind != fault.Unconfigured || !strings.Contains(f.Detail, told) || !strings.Contains(f.Hint, "PostgreSQL 14") {
			t.Errorf("%q: %v", version, err)
		}
	}
}

// A server that is too old is left alone before anything is asked of it.
func TestOpenLeavesAServerThatIsTooOld(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	asked := make(chan any, 1)
	go func() { asked <- greetAs(listener, "13.22") }()
	d, err := Open(t.Context(), "postgres://u:p@"+listener.Addr().String()+"/x?sslmode=disable", Options{})
	if err == nil {
		d.Close()
	}
	if fault.CodeOf(err) != "store_version" {
		t.Errorf("it is opened: %v", err)
	}
	if got := testwait.Receive(t, asked); got != any(pgproto3.Terminate{}) {
		t.Errorf("it is asked %T: %v", got, got)
	}
}

// greetAs lets one in as a server of a version does, and gives the first thing that is
// asked of it.
func greetAs(listener net.Listener, version string) any {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	server := pgproto3.NewBackend(conn, conn)
	if _, err := server.ReceiveStartupMessage(); err != nil {
		return err
	}
	server.Send(&pgproto3.AuthenticationOk{})
	server.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: version})
	server.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if err := server.Flush(); err != nil {
		return err
	}
	message, err := server.Receive()
	if err != nil {
		return err
	}
	if end, ok := message.(*pgproto3.Terminate); ok {
		return *end
	}
	return message
}
