// Package forwarded tells who calls, also where a proxy passes the call on. What a call
// says of that itself is believed if it comes from a peer that the operator trusts, and
// only as far as that goes: the headers are X-Forwarded-For, -Proto and -Host. The header
// Forwarded (RFC 7239) is not read: hardly a proxy writes it, many let that of their
// callers pass, and two headers that say the same may contradict each other.
package forwarded

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of the peers that are trusted.
type Proxies []netip.Prefix

// Caller is who calls.
type Caller struct {
	Address   netip.Addr // without zone, and of IPv4 where it is one; not valid where it is not known
	Encrypted bool       // the caller speaks TLS, with us or with the proxy
	Trusted   bool       // the peer is one of the trusted proxies; the call may be its own

	remote    string // as http.Request.RemoteAddr has it
	elsewhere bool
	host      string // the Host header as it arrived
}

// String is the address, with the port where that is known.
func (c Caller) String() string { return c.remote }

// Host is the address without a port, as text.
func (c Caller) Host() string {
	if c.Address.IsValid() {
		return c.Address.String()
	}
	if host, _, err := net.SplitHostPort(c.remote); err == nil {
		return host
	}
	return c.remote
}

// Elsewhere tells whether the call came by a trusted proxy and need not be one of this
// machine: unless all that the headers tell of is loopback, it may be anybody's. So it is
// where one of them is there and names no caller.
func (c Caller) Elsewhere() bool { return c.elsewhere }

// Passed tells whether a header says that a proxy passed the call on, trusted or not.
func Passed(r *http.Request) bool {
	for _, name := range [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if len(r.Header[name]) > 0 {
			return true
		}
	}
	return false
}

// elsewhere judges all hops, and not the caller alone: between two that are trusted
// somebody may have made one up. Of the headers that are not read, one may be all that the
// proxy writes, and the others its caller's: X-Real-IP must not contradict, and Forwarded
// not be there.
func elsewhere(r *http.Request, peer netip.Addr) bool {
	if !peer.IsLoopback() || len(r.Header["Forwarded"]) > 0 {
		return true
	}
	for _, name := range [...]string{"X-Forwarded-For", "X-Real-Ip"} {
		for hop := range hops(r.Header[name]) {
			if !address(hop).IsLoopback() { // nor is one that is not valid
				return true
			}
		}
	}
	return Passed(r) && len(r.Header["X-Forwarded-For"]) == 0
}

// Hosts are the names by which the server was called: the one in the Host header as it
// arrived, and the one that a trusted proxy tells of, if that is another. A page that
// reaches us by a name of its own chooses what it sends, but for the Host header.
func Hosts(r *http.Request) []string {
	if c := Of(r); c.Trusted && c.host != r.Host {
		return []string{c.host, r.Host}
	}
	return []string{r.Host}
}

// Local tells whether a host, with or without port, is a name or an address of loopback.
func Local(host string) bool {
	host = Name(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true // reserved for loopback by RFC 6761
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Name is a host without port and brackets, in lower case.
func Name(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

type callerKey struct{}

// Of tells who makes a call that went through Take, or else who is at the other end of
// its connection.
func Of(r *http.Request) Caller {
	if c, found := r.Context().Value(callerKey{}).(Caller); found {
		return c
	}
	return Caller{Address: address(r.RemoteAddr), Encrypted: r.TLS != nil, remote: r.RemoteAddr, host: r.Host}
}

// Take gives the call as its caller made it, for Of to tell. Of X-Forwarded-For it takes
// the last address that is none of a trusted proxy; what is no address ends the search, and
// whoever passed it on counts as the caller. Of the other two headers the last value
// counts, which the proxy that is nearest wrote; one that cannot be is ignored, as is a host
// of loopback. The host stands in Host, and Hosts has the one that it takes the place of, too.
func (p Proxies) Take(r *http.Request) *http.Request {
	peer := address(r.RemoteAddr)
	if !p.trust(peer) {
		return r
	}
	c := Caller{Address: peer, Encrypted: r.TLS != nil, Trusted: true, remote: r.RemoteAddr, elsewhere: elsewhere(r, peer), host: r.Host}
	for hop := range hops(r.Header["X-Forwarded-For"]) {
		a := address(hop)
		if !a.IsValid() || strings.Contains(hop, "%") {
			break
		}
		c.Address, c.remote = a, hop
		if !p.trust(a) {
			break
		}
	}
	switch proto := last(r.Header["X-Forwarded-Proto"]); {
	case strings.EqualFold(proto, "https"):
		c.Encrypted = true
	case strings.EqualFold(proto, "http"):
		c.Encrypted = false
	}
	r = r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
	if host := last(r.Header["X-Forwarded-Host"]); mayBeHost(host) && !Local(host) {
		r.Host = host
	}
	return r
}

func (p Proxies) trust(a netip.Addr) bool {
	for _, network := range p {
		if network.Contains(a) { // none contains an address that is not valid
			return true
		}
	}
	return false
}

// address reads an address with or without port and brackets. One with a zone is none
// that a proxy may tell of, and of a peer it loses it.
func address(text string) netip.Addr {
	if from, err := netip.ParseAddrPort(text); err == nil {
		return from.Addr().Unmap().WithZone("")
	}
	if inner, found := strings.CutPrefix(text, "["); found {
		if inner, found = strings.CutSuffix(inner, "]"); !found || !strings.Contains(inner, ":") {
			return netip.Addr{}
		}
		text = inner
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// hops are the values of a header that is a list, from the last to the first.
func hops(lines []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, rest := range slices.Backward(lines) {
			found := true
			for found {
				var hop string
				if at := strings.LastIndexByte(rest, ','); at >= 0 {
					rest, hop = rest[:at], rest[at+1:]
				} else {
					hop, found = rest, false
				}
				if !yield(strings.Trim(hop, " \t")) {
					return
				}
			}
		}
	}
}

func last(lines []string) string {
	for value := range hops(lines) {
		return value
	}
	return ""
}

// mayBeHost tells whether a text may be a host, with or without port.
func mayBeHost(text string) bool {
	const longest = 253 + len(":65535")
	if text == "" || len(text) > longest {
		return false
	}
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return true
}
