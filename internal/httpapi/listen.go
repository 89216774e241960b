package httpapi

import (
	"context"
	"net"
	"strconv"

	"ferryman/internal/fault"
)

// Listen takes the server's address, such as "127.0.0.1:8080". Any but loopback
// is refused with the code exposed, unless open says that whoever reaches it may
// do everything, or has to show a key. A name is looked up once, so that the
// address that is judged is the one that is taken. Errors are faults of kind
// Unconfigured whose hint names the remedy.
func Listen(ctx context.Context, address string, open bool) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, cannotListen(address, err, "name an address of this machine with --listen or FERRYMAN_LISTEN")
	}
	if !open && !resolved.IP.IsLoopback() {
		return nil, &fault.Error{
			Kind: fault.Unconfigured, Code: "exposed",
			Detail: "listening on " + strconv.Quote(address) + " would open the server to the network",
			Hint: "make a key first, as with ferryman key create --app ferryman --scope admin: then the server asks for keys; " +
				"or listen on 127.0.0.1, or pass --insecure-open if everybody who reaches this address may use it",
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", resolved.String())
	if err != nil {
		return nil, cannotListen(address, err, "another program may use it: stop that, or name another address with --listen or FERRYMAN_LISTEN")
	}
	return l, nil
}

func cannotListen(address string, err error, hint string) error {
	return &fault.Error{Kind: fault.Unconfigured, Code: "listen", Detail: "cannot listen on " + address, Err: err, Hint: hint}
}
