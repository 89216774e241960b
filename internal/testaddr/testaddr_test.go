package testaddr_test

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"ferryman/internal/testaddr"
)

func TestDeserted(t *testing.T) {
	d := testaddr.New(t)
	if conn, err := net.Dial("tcp", d.Host); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("%v, %v", conn, err)
	}
	if l, err := net.Listen("tcp", d.Host); err == nil {
		_ = l.Close()
		t.Error("somebody else may have it")
	}
	l := d.Listen(t)
	defer l.Close()
	if l.Addr().String() != d.Host {
		t.Errorf("%s, want %s", l.Addr(), d.Host)
	}
	conn, err := net.Dial("tcp", d.Host)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestPort(t *testing.T) {
	port := testaddr.Port(t)
	if port < 20_000 || port >= 32_000 {
		t.Errorf("port %d", port)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}
