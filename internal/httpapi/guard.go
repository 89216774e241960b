package httpapi

import (
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
			Hint: "call it as localhost or 127.0.0.1",
		}
	}
	if err := s.origin.Check(r); err != nil {
		return &fault.Error{
			Kind: fault.Forbidden, Code: "cross_origin", Detail: "a page of another site may not make this call", Err: err,
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
	return slices.ContainsFunc(s.o.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}
