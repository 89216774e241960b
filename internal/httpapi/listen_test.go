package httpapi

import (
	"net"
	"strings"
	"testing"

	"ferryman/internal/fault"
)

func TestListenKeepsToLoopback(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "127.1.2.3:0", "[::ffff:127.0.0.1]:0", "localhost:0"} {
		l, err := Listen(t.Context(), address, false)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
			t.Errorf("%s: listens on %v", address, l.Addr())
		}
		l.Close()
	}
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.7:0", "[2001:db8::1]:0"} {
		l, err := Listen(t.Context(), address, false)
		if err == nil {
			l.Close()
		}
		if fault.CodeOf(err) != "exposed" || fault.KindOf(err) != fault.Unconfigured || !strings.Contains(fault.HintOf(err), "--insecure-open") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestListenSaysWhenItCannot(t *testing.T) {
	taken, err := Listen(t.Context(), "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	// An address of documentation is of no machine: open, it gets as far as the system.
	for _, address := range []string{taken.Addr().String(), "192.0.2.7:0", "no-such-host.invalid:0"} {
		l, err := Listen(t.Context(), address, true)
		if err == nil {
			l.Close()
		}
		if fault.CodeOf(err) != "listen" || fault.KindOf(err) != fault.Unconfigured || !strings.Contains(fault.HintOf(err), "--listen") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
