// Package testaddr gives tests addresses at which nobody is. One that the system gave out
// and that was closed may be somebody else's a moment later.
package testaddr

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
)

// Deserted is an address on loopback that refuses connections, and that nobody else gets
// before the test ends.
type Deserted struct {
	// Host is the address and its port.
	Host   string
	socket *os.File
}

// New takes such an address.
func New(t testing.TB) *Deserted {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	d := &Deserted{socket: os.NewFile(uintptr(fd), "socket")}
	t.Cleanup(func() { _ = d.socket.Close() })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := name.(*syscall.SockaddrInet4)
	d.Host = fmt.Sprintf("127.0.0.1:%d", at.Port)
	return d
}

// URL is where nobody answers over HTTP.
func (d *Deserted) URL() string { return "http://" + d.Host }

// Listen has it take connections from now on.
func (d *Deserted) Listen(t testing.TB) net.Listener {
	t.Helper()
	if err := syscall.Listen(int(d.socket.Fd()), 16); err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Port is one on loopback that nobody listens at now, for a program that takes it later or
// more than once. It is none of those that the system gives out by itself.
func Port(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20_000 + rand.IntN(12_000) //nolint:gosec // it is no secret; the system's begin above
		if l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("all ports are taken")
	return 0
}
