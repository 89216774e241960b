package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/fault"
	"ferryman/internal/sandbox/wms"
)

// Sandbox is the simulated upstreams, serving on loopback.
type Sandbox struct {
	listener net.Listener
	server   *http.Server
	served   chan struct{} // closed once nothing is served any more
}

// StartSandbox serves the simulated WMS API on a loopback address, with faults
// such as "status=500,path=/iam/users/me,times=3". With orAny it takes any free
// port if that of the address is used.
func StartSandbox(ctx context.Context, address string, orAny bool, faults []string) (*Sandbox, error) {
	var options wms.Options
	for _, text := range faults {
		f, err := wms.ParseFault(text)
		if err != nil {
			return nil, sandboxFault("--sandbox-fault", err)
		}
		options.Faults = append(options.Faults, f)
	}
	simulator, err := wms.New(options)
	if err != nil {
		return nil, sandboxFault("--sandbox-fault", err)
	}
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil || !tcp.IP.IsLoopback() {
		return nil, sandboxFault("--sandbox-listen", fmt.Errorf("%q is no loopback address such as 127.0.0.1:8081", address))
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil && orAny {
		listener, err = lc.Listen(ctx, "tcp", net.JoinHostPort(tcp.IP.String(), "0"))
	}
	if err != nil {
		return nil, sandboxFault("--sandbox-listen", fmt.Errorf("%w; name another address", err))
	}
	s := &Sandbox{
		listener: listener,
		server:   &http.Server{Handler: simulator, ReadHeaderTimeout: 5 * time.Second},
		served:   make(chan struct{}),
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // ends by Close
	}()
	return s, nil
}

func sandboxFault(flag string, err error) error {
	return &fault.Error{Kind: fault.Unconfigured, Code: "sandbox", Detail: flag, Err: err}
}

// URL is where the simulator answers, without the path of the API.
func (s *Sandbox) URL() string { return "http://" + s.listener.Addr().String() }

// Point makes a configuration read from the sandbox instead of the real API.
func (s *Sandbox) Point(w *config.Warehouse) {
	w.BaseURL = s.URL() + wms.DefaultBase
	w.Token = config.Secret{}
	w.User, w.Password = wms.DefaultUsername, config.NewSecret(wms.DefaultPassword)
}

// Close cuts all connections and waits for the server's end.
func (s *Sandbox) Close() {
	_ = s.server.Close()
	<-s.served
}
