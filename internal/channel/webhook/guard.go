package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// errNotPublic says that a connection was refused because of its address.
var errNotPublic = errors.New("this address is not of the public Internet, and webhooks may go to no other")

// onlyPublic refuses connections to private and special addresses. It is asked
// once the name is resolved, so that no name can mean another address by then.
func onlyPublic() func(network, address string, c syscall.RawConn) error {
	guardian := ssrf.New(ssrf.WithAnyPort())
	return func(network, address string, c syscall.RawConn) error {
		if guardian.Safe(network, address, c) != nil {
			return fmt.Errorf("%s: %w", address, errNotPublic)
		}
		return nil
	}
}

// allowed tells whether the host of u is among hosts, each a name or an address,
// with a port or without.
func allowed(u *url.URL, hosts []string) bool {
	name, port := canonical(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return slices.ContainsFunc(hosts, func(h string) bool {
		if host, only, err := net.SplitHostPort(h); err == nil {
			return canonical(host) == name && only == port
		}
		return canonical(strings.TrimSuffix(strings.TrimPrefix(h, "["), "]")) == name
	})
}

func canonical(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// Refuses tells whether a webhook that is guarded would refuse to connect to a URL, as far
// as that shows without asking for the addresses of its host.
func Refuses(rawURL string, allowHosts []string) bool {
	u, err := url.Parse(rawURL)
	if err != nil || allowed(u, allowHosts) {
		return false
	}
	name := canonical(u.Hostname())
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return false
	}
	network := "tcp6"
	if ip.Is4() {
		network = "tcp4"
	}
	return onlyPublic()(network, netip.AddrPortFrom(ip, 443).String(), nil) != nil
}
