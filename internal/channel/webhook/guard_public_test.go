package webhook

import (
	"errors"
	"net"
	"testing"
)

func TestPublicAddressesPass(t *testing.T) {
	control := onlyPublic()
	for network, addresses := range map[string][]string{
		"tcp4": {"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255"},
		"tcp6": {"2606:4700:4700::1111", "2a00:1450::1"},
	} {
		for _, a := range addresses {
			for _, port := range []string{"80", "443", "8443"} {
				if err := control(network, net.JoinHostPort(a, port), nil); err != nil {
					t.Errorf("%s port %s: %v", a, port, err)
				}
			}
		}
	}
	for _, other := range []struct{ network, address string }{{"udp4", "1.1.1.1:443"}, {"tcp4", "example.com:443"}, {"tcp6", "[fe80::1%lo]:443"}} {
		if err := control(other.network, other.address, nil); !errors.Is(err, errNotPublic) {
			t.Errorf("%s %s: %v", other.network, other.address, err)
		}
	}
}
