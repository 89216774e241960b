package httpapi

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"ferryman/internal/fault"
)

// lookupTimeout bounds the look-up of a host name at start.
const lookupTimeout = 5 * time.Second

// CheckExposure tells whether a server may listen at an address such as
// "127.0.0.1:8080". Loopback is always fine; anywhere else it needs keys, or
// somebody who says that an open server is what they want. Errors are faults of
// kind Unconfigured whose hint names the remedy.
func CheckExposure(ctx context.Context, listen string, haveKeys, insecureOpen bool) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return badListen(listen, "is not host:port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return badListen(listen, "has no port between 0 and 65535")
	}
	if haveKeys || insecureOpen || IsLoopback(ctx, host) {
		return nil
	}
	return &fault.Error{
		Kind: fault.Unconfigured, Code: "exposed_without_keys",
		Detail: "listening on " + strconv.Quote(listen) + " would open the server to the network, and there are no keys",
		Hint:   "listen on 127.0.0.1, or pass --insecure-open if everybody who reaches this address may use it",
	}
}

func badListen(listen, what string) error {
	return &fault.Error{
		Kind: fault.Unconfigured, Code: "bad_listen_address",
		Detail: "the listen address " + strconv.Quote(listen) + " " + what,
		Hint:   "write it like 127.0.0.1:8080",
	}
}

// IsLoopback tells whether a host, given by address or by name, is loopback and
// nothing else. A name that cannot be resolved is not.
func IsLoopback(ctx context.Context, host string) bool {
	if host == "" {
		return false // every interface
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(ips) == 0 {
		return false
	}
	for _, ip := range ips {
		if !ip.Unmap().IsLoopback() {
			return false
		}
	}
	return true
}
