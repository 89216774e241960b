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

func TestRefusesWhatShowsAtOnce(t *testing.T) {
	allow := []string{"10.0.0.5", "127.0.0.1:81", "inner.localhost"}
	for url, want := range map[string]bool{
		"http://127.0.0.1:1/x": true, "https://[::1]/": true, "http://10.0.0.6/": true, "http://169.254.169.254/": true, "http://LOCALHOST./x": true, "http://a.localhost": true,
		"http://10.0.0.5:9/": false, "http://127.0.0.1:81/": false, "http://127.0.0.1:82/": true, "http://inner.localhost": false,
		"https://example.com/": false, "https://93.184.216.34/": false, "::": false,
	} {
		if got := Refuses(url, allow); got != want {
			t.Errorf("%s: %t", url, got)
		}
	}
}
