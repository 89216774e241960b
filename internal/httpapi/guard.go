package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"ferryman/internal/fault"
	"ferryman/internal/forwarded"
)

// guard refuses calls that a web page of somebody else makes through its
// visitor's browser. Clients that are no browsers pass.
func (s *Server) guard(r *http.Request) error {
	if s.o.LoopbackOnly && !s.hostsAllowed(r) {
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

// hostsAllowed looks at the host that a proxy tells of and at the one that arrived: a page
// may send the former, and not the latter. A call without any is no browser's.
func (s *Server) hostsAllowed(r *http.Request) bool {
	for _, host := range forwarded.Hosts(r) {
		if host != "" && !forwarded.Local(host) && !slices.Contains(s.o.Hosts, forwarded.Name(host)) {
			return false
		}
	}
	return true
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
