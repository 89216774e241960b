package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"ferryman/internal/fault"
)

// guard refuses calls that a web page of somebody else makes through its
// visitor's browser. Clients that are no browsers pass.
func (s *Server) guard(r *http.Request) error {
	if s.o.LoopbackOnly && r.Host != "" && !s.hostAllowed(r.Host) {
		return &fault.Error{
			Kind: fault.Forbidden, Code: "host_not_allowed", Detail: "the host header names no host that this server answers for",
			Hint: "call it as localhost or 127.0.0.1; if a proxy makes it known by another name, set FERRYMAN_HOSTS to that",
		}
	}
	if err := s.origin.Check(r); err != nil {
		return &fault.Error{
			Kind: fault.Forbidden, Code: "cross_origin", Detail: "a page of another site may not make this call", Err: err,
			Hint: "if the page is this server's own behind a proxy, set FERRYMAN_HOSTS to the name that the proxy makes it known by, " +
				"and on a port of its own let the proxy pass the host header on",
		}
	}
	return nil
}

func (s *Server) hostAllowed(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true // reserved for loopback by RFC 6761
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return true
	}
	return slices.Contains(s.o.Hosts, host)
}

// originGuard refuses what a page of another origin asks for. The pages of hosts
// are our own at the default ports of http and https; what serves another port
// may be another program.
func originGuard(hosts []string) (*http.CrossOriginProtection, error) {
	guard := http.NewCrossOriginProtection()
	for _, host := range hosts {
		if strings.Contains(host, ":") {
			host = "[" + host + "]" // IPv6
		}
		for _, scheme := range [...]string{"http://", "https://"} {
			if err := guard.AddTrustedOrigin(scheme + host); err != nil {
				return nil, fmt.Errorf("trust host: %w", err)
			}
		}
	}
	return guard, nil
}
