package webhook_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/channel/webhook"
	"ferryman/internal/outbox"
)

// special are addresses of every range that is not the public Internet's, the
// first and the last of each.
func special() []string {
	return []string{
		"0.0.0.0", "0.255.255.255", // this network
		"10.0.0.0", "10.255.255.255", // private
		"100.64.0.0", "100.127.255.255", // shared by carriers
		"127.0.0.1", "127.255.255.255", // loopback
		"169.254.0.0", "169.254.169.254", "169.254.255.255", // link-local, with the clouds' metadata
		"172.16.0.0", "172.31.255.255", // private
		"192.0.0.0", "192.0.0.255", // protocol assignments
		"192.0.2.0", "192.0.2.255", // documentation
		"192.31.196.0", "192.31.196.255", // AS112
		"192.52.193.0", "192.52.193.255", // AMT
		"192.88.99.0", "192.88.99.255", // 6to4 relays
		"192.168.0.0", "192.168.255.255", // private
		"192.175.48.0", "192.175.48.255", // AS112
		"198.18.0.0", "198.19.255.255", // benchmarks
		"198.51.100.0", "198.51.100.255", // documentation
		"203.0.113.0", "203.0.113.255", // documentation
		"224.0.0.0", "239.255.255.255", // multicast
		"240.0.0.0", "255.255.255.254", "255.255.255.255", // reserved, broadcast
		"::", "::1", // unspecified, loopback
		"::7f00:1", "::ffff:0:0", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", // IPv4 within IPv6
		"64:ff9b::7f00:1", "64:ff9b:1::1", // NAT64
		"100::1", "100:0:0:1::1", // discarded
		"2001::1", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", // protocol assignments, Teredo
		"2001:db8::1", "3fff::1", // documentation
		"2002:7f00:1::1",                                     // 6to4
		"2620:4f:8000::1",                                    // AS112
		"5f00::1",                                            // segment routing
		"fc00::1", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", // private
		"fe80::1", "febf::1", // link-local
		"fec0::1", // site-local
		"ff02::1", // multicast
	}
}

func guarded(t testing.TB, address string, allow ...string) outbox.Outcome {
	t.Helper()
	c := channel(t, webhook.Config{URL: address, Guard: true, AllowHosts: allow, Timeout: 5 * time.Second})
	return c.Send(t.Context(), delivery())
}

func TestGuardRefusesSpecialAddresses(t *testing.T) {
	for _, address := range special() {
		o := guarded(t, "http://"+net.JoinHostPort(address, "9")+"/")
		if o.Verdict != outbox.Blocked || o.Code != "address_refused" || o.Status != 0 {
			t.Errorf("%s: %+v", address, o)
		}
	}
}

// A name is as good as the address that it resolves to, which may be another one
// tomorrow.
func TestGuardRefusesNamesOfSpecialAddresses(t *testing.T) {
	asked := resolveByName(t)
	for _, address := range special() {
		o := guarded(t, "http://"+nameOf(address)+":9/")
		if o.Verdict != outbox.Retry || o.Code != "address_refused" || !o.Trouble {
			t.Errorf("%s: %+v", address, o)
		}
	}
	if asked.Load() == 0 {
		t.Error("nobody asked for a name")
	}
	if o := guarded(t, "http://localhost:9/"); o.Code != "address_refused" {
		t.Errorf("localhost: %+v", o)
	}
}

func TestGuardAllowsHosts(t *testing.T) {
	resolveByName(t)
	address, arrived := receiver(t)
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	named := nameOf("127.0.0.1") + ":" + at.Port()
	for _, test := range []struct {
		address string
		allow   string
		pass    bool
	}{
		{at.Host, "", false},
		{at.Host, "127.0.0.1", true},
		{at.Host, at.Host, true},
		{at.Host, "127.0.0.1:9", false},
		{at.Host, "127.0.0.2", false},
		{named, nameOf("127.0.0.1"), true},
		{named, strings.ToUpper(nameOf("127.0.0.1")) + ".", true},
		{named, named, true},
		{named, "127.0.0.1", false}, // hosts are named, and not what they resolve to
		{named, "x" + nameOf("127.0.0.1"), false},
		{named, "test", false},
	} {
		o := guarded(t, "http://"+test.address, test.allow)
		if test.pass != (o.Verdict == outbox.Accepted) {
			t.Errorf("%s with %s allowed: %+v", test.address, test.allow, o)
		}
		if test.pass {
			<-arrived
		} else if o.Code != "address_refused" {
			t.Errorf("%s with %s allowed: %+v", test.address, test.allow, o)
		}
	}
	if o := guarded(t, "http://[::1]:1/", "[::1]"); o.Code != "refused" {
		t.Errorf("an address in brackets: %+v", o)
	}
	if o := guarded(t, "http://127.0.0.1/", "127.0.0.1:80"); o.Code != "refused" {
		t.Errorf("the scheme's port: %+v", o)
	}
}

// A redirect leads nowhere, and a proxy would resolve the name itself.
func TestGuardHasNoWayAround(t *testing.T) {
	inner := make(chan struct{}, 1)
	secret := serve(t, func(http.ResponseWriter, *http.Request) { inner <- struct{}{} })
	outer := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, secret, http.StatusTemporaryRedirect)
	})
	if o := guarded(t, outer, strings.TrimPrefix(outer, "http://")); o.Verdict != outbox.Retry || o.Status != 307 {
		t.Errorf("%+v", o)
	}
	select {
	case <-inner:
		t.Error("the redirect was followed")
	default:
	}
}

// nameOf is a name for which resolveByName has the server answer with address.
func nameOf(address string) string {
	return fmt.Sprintf("a%x.test", netip.MustParseAddr(address).AsSlice())
}

// resolveByName has names resolved by a server on loopback while the test runs,
// and counts what it is asked.
func resolveByName(t *testing.T) *atomic.Int64 {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		question := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(question)
			if err != nil {
				return
			}
			asked.Add(1)
			_, _ = server.WriteTo(answer(question[:n]), from)
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		server.Close()
		<-done
	})
	return &asked
}

// answer answers a DNS question with the address that the name spells.
func answer(question []byte) []byte {
	const header = 12
	label := question[header+1:][:question[header]]
	end := header
	for question[end] != 0 {
		end += 1 + int(question[end])
	}
	end += 5 // the root, the type and the class
	kind := binary.BigEndian.Uint16(question[end-4:])
	var address []byte
	if _, err := fmt.Sscanf(string(label), "a%x", &address); err != nil {
		return nil
	}
	const a, aaaa = 1, 28
	fits := kind == a && len(address) == 4 || kind == aaaa && len(address) == 16
	reply := append([]byte{}, question[:end]...)
	copy(reply[2:], []byte{0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	if fits {
		reply[7] = 1
		reply = append(reply, 0xc0, header, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(address)))
		reply = append(reply, address...)
	}
	return reply
}
