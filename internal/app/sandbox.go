package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/fault"
	"ferryman/internal/sandbox/campaign"
	"ferryman/internal/sandbox/messengers"
	"ferryman/internal/sandbox/wms"
)

// Sandbox is the simulated upstreams and messengers, serving on loopback.
type Sandbox struct {
	listener net.Listener
	server   *http.Server
	served   chan struct{} // closed once nothing is served any more
}

// StartSandbox serves the simulated APIs and messengers on one loopback address,
// with faults such as "status=500,path=/iam/users/me,times=3" or, for a messenger,
// "telegram:reset,every=10" or, for the campaign API, "campaign:truncate,times=2".
// With orAny it takes any free port if that of the address is used.
func StartSandbox(ctx context.Context, address string, orAny bool, faults []string) (*Sandbox, error) {
	handler, err := sandboxHandler(faults)
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
		server:   &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second},
		served:   make(chan struct{}),
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // ends by Close
	}()
	return s, nil
}

// The campaign of the sandbox: contacts that change a second, and how often it is
// looked at, so that there is something to see.
const (
	sandboxChanges = 1
	sandboxEvery   = 15 * time.Second
)

// sandboxHandler puts the simulators side by side. The messengers keep to the
// rates that the real ones make known.
func sandboxHandler(faults []string) (http.Handler, error) {
	upstream := wms.Options{}
	targets := messengers.Options{Limits: messengers.VendorLimits()}
	callCentre := campaign.Options{Rate: sandboxChanges}
	for _, text := range faults {
		if campaign.IsFault(text) {
			f, err := campaign.ParseFault(text)
			if err != nil {
				return nil, err
			}
			callCentre.Faults = append(callCentre.Faults, f)
			continue
		}
		if messengers.IsFault(text) {
			f, err := messengers.ParseFault(text)
			if err != nil {
				return nil, err
			}
			targets.Faults = append(targets.Faults, f)
			continue
		}
		f, err := wms.ParseFault(text)
		if err != nil {
			return nil, err
		}
		upstream.Faults = append(upstream.Faults, f)
	}
	warehouses, err := wms.New(upstream)
	if err != nil {
		return nil, err
	}
	phones, err := messengers.New(targets)
	if err != nil {
		return nil, err
	}
	contacts, err := campaign.New(callCentre)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", warehouses)
	for _, path := range messengers.Paths() {
		mux.Handle(path, phones)
	}
	for _, path := range campaign.Paths() {
		mux.Handle(path, contacts)
	}
	return mux, nil
}

func sandboxFault(flag string, err error) error {
	return &fault.Error{Kind: fault.Unconfigured, Code: "sandbox", Detail: flag, Err: err}
}

// URL is where the simulators answer, without the path of an API.
func (s *Sandbox) URL() string { return "http://" + s.listener.Addr().String() }

// Point makes a configuration use the sandbox: it reads from it instead of the
// real APIs, and sends to it instead of the real messengers. The campaign's
// contacts go to a SQLite file in the state folder.
func (s *Sandbox) Point(c *config.Config) {
	w := &c.Warehouse
	w.BaseURL = s.URL() + wms.DefaultBase
	w.Token = config.Secret{}
	w.User, w.Password = wms.DefaultUsername, config.NewSecret(wms.DefaultPassword)

	p := &c.Push
	p.Telegram.BaseURL, p.Telegram.Token = s.URL()+messengers.TelegramPath, config.NewSecret(messengers.DefaultTelegramToken)
	p.Viber.BaseURL, p.Viber.Token = s.URL()+messengers.ViberPath, config.NewSecret(messengers.DefaultViberToken)
	p.WhatsApp.BaseURL, p.WhatsApp.Token = s.URL()+messengers.WhatsAppPath, config.NewSecret(messengers.DefaultWhatsAppToken)
	p.WhatsApp.PhoneNumberID = messengers.DefaultPhoneNumberID

	contacts := config.NewCampaign()
	contacts.ID, contacts.Token = campaign.DefaultCampaign, config.NewSecret(campaign.DefaultToken)
	contacts.BaseURL, contacts.Every = s.URL(), sandboxEvery
	contacts.Target = config.NewSecret(config.SQLiteURL(filepath.Join(c.Store.StateDir, "contacts.db")))
	contacts.Complete()
	c.Campaigns = []config.Campaign{contacts}

	c.Outbox.AllowHosts = append(c.Outbox.AllowHosts, s.listener.Addr().String()) // for webhooks, to the sandbox's receiver
}

// Close cuts all connections and waits for the server's end.
func (s *Sandbox) Close() {
	_ = s.server.Close()
	<-s.served
}
