package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ferryman/internal/alert"
	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/certificate"
	"ferryman/internal/config"
	"ferryman/internal/dashboard"
	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/httpapi"
	"ferryman/internal/jobs"
	"ferryman/internal/ledger"
	"ferryman/internal/node"
	"ferryman/internal/outbox"
	"ferryman/internal/push"
	"ferryman/internal/rejected"
	"ferryman/internal/source/pulpo"
	"ferryman/internal/syncs"
)

// Server is a node: it works the store's jobs and answers HTTP.
type Server struct {
	o         Options
	listener  net.Listener
	cert      *certificate.Holder // nil: the server speaks plain HTTP
	db        *db.DB
	keys      *apikey.Keys
	audit     *audit.Log
	ledger    *ledger.Ledger
	warehouse *warehouse
	engine    *jobs.Engine
	set       *syncs.Set
	contacts  []*contactSync // of the campaigns in it
	verifier  *verifier
	outbox    *outbox.Outbox
	nodes     *node.Book
	figures   *storeMetrics
	work      *work
	alerts    *alert.Alerts
	endpoints *endpoints
	pages     *dashboard.Dashboard
	handler   *httpapi.Server
	unposted  []config.Campaign // that another process posts
	closers   []func() error    // run in reverse order
}

// NewServer checks the settings, takes the address, opens the store and puts the
// node together. Nothing runs before Run. Close it in any case.
func NewServer(ctx context.Context, o Options) (_ *Server, err error) {
	s := &Server{}
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	if c := o.Config.Server; c.TLSCert != "" {
		if s.cert, err = certificate.Open(certificate.Files{Cert: c.TLSCert, Key: c.TLSKey}, o.Log); err != nil {
			return nil, err
		}
	}
	name := nodeName()
	o, endTraces, err := o.traced(ctx, name)
	if err != nil {
		return nil, err
	}
	s.o, s.closers = o, append(s.closers, endTraces)
	// An address that the network reaches is taken once it is known that there are keys.
	exposed := s.listen(ctx, o.Config.Server.InsecureOpen)
	if exposed != nil && fault.CodeOf(exposed) != "exposed" {
		return nil, exposed
	}
	// A store that another process serves is left as it is.
	d, _, err := openStore(ctx, o, (*db.DB).Serve)
	if err != nil {
		return nil, err
	}
	if file := o.Config.Warehouse.Database.File(); file != "" && d.Dialect() == db.Postgres {
		o.Log.Warn("the store is shared and the sync's target is a file of this node alone", "target", file)
	}
	if o.Config.Store.Secret.Empty() && d.Dialect() == db.Postgres {
		o.Log.Warn("the store is shared and the secret of its keys is a file of this node alone; give all nodes the same FERRYMAN_SECRET",
			"file", secretFile(o, d))
	}
	s.db = d
	s.closers = append(s.closers, d.Close)

	keys, err := openKeys(ctx, o, d)
	if err != nil {
		return nil, err
	}
	s.keys = keys
	s.closers = append(s.closers, closing(keys.Close))
	if exposed != nil {
		if err := s.listenWithKeys(ctx, keys, exposed); err != nil {
			return nil, err
		}
	}
	refused := rejected.Open(d, o.Log) //nolint:contextcheck // it lives as long as the server
	s.closers = append(s.closers, closing(refused.Close))

	if s.warehouse, err = openWarehouse(o); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.warehouse.close)

	s.engine, err = jobs.New(d, jobs.Options{Node: name, Logger: o.Log, Grace: o.Config.Server.StopGrace * 7 / 10})
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.cert != nil {
		registry.MustRegister(certificateMetric(s.cert))
	}
	s.audit = audit.New(d, o.Log)
	s.audit.PruneOn(s.engine)
	s.ledger = ledger.New(d)
	s.ledger.PruneOn(s.engine)
	counted := newSyncMetrics(registry)
	s.set = syncs.NewSet(d, s.ledger, s.engine, syncs.Options{Logger: o.Log, Ended: counted.ended, Tracer: o.tracer})
	if o.Config.Warehouse.Unset() {
		o.Log.Info("warehouses are synced on demand only: neither API_TOKEN nor API_USER is set")
	}
	warehouses, err := s.set.Add(ctx, s.warehouse.sync(o.Config.Warehouse, o.Config.Warehouse.Unset()))
	if err != nil {
		return nil, err
	}
	send, sends := o.Config.Outbox, newSendMetrics(registry)
	s.outbox = outbox.New(d, outbox.Options{
		Node: s.engine.Node(), Logger: o.Log, Hold: send.Hold, Keep: send.Keep, Serves: sends.serves, Observe: sends.observe,
		Tracer: o.tracer,
	})
	s.outbox.PruneOn(s.engine)
	s.nodes = node.New(d, o.Log)
	s.figures = newStoreMetrics(registry, func(ctx context.Context) (standing, error) { return readStanding(ctx, d, s.outbox, s.ledger, s.nodes) })
	if err := setMessengers(o, s.outbox); err != nil { //nolint:contextcheck // channels are served for as long as the server runs
		return nil, err
	}
	if err := s.addCampaigns(ctx); err != nil {
		return nil, err
	}
	if err := s.recallSyncs(ctx, counted); err != nil {
		return nil, err
	}
	hooks, err := openWebhooks(ctx, o, d)
	if err != nil {
		return nil, err
	}
	s.endpoints = newEndpoints(hooks, s.outbox, endpointOptions{Guard: true, AllowHosts: send.AllowHosts, Version: o.Version, Log: o.Log})
	s.alerts = alert.New(d, s.ledger, s.outbox)
	s.verifier = newVerifier(o, d, s.contacts)
	s.closers = append(s.closers, closing(s.verifier.close))
	s.work = &work{engine: s.engine, outbox: s.outbox, verifier: s.verifier}
	if s.pages, err = s.openDashboard(ctx, keys, refused, exposed == nil && !o.Config.Server.InsecureOpen); err != nil {
		return nil, err
	}
	s.handler, err = httpapi.New(httpapi.Options{
		Dashboard: s.pages,
		Log:       o.Log, Registry: registry, Version: o.Version, Tracer: o.tracer,
		Sync: warehouses, Syncs: s.set, Rows: s.warehouse.sink, Users: pulpo.Users(), Warehouses: pulpo.Warehouses(),
		Checks: []httpapi.Check{{Name: "store", Run: d.Ping}, {Name: "node", Run: s.work.ready}},
		Keys:   keys, Apps: keys, Ledger: s.ledger, Rejected: refused, Messages: push.New(d, s.outbox), Outbox: s.outbox,
		Audit:        s.audit,
		KeyRate:      int(o.Config.Server.KeyRate),
		LoopbackOnly: !o.Config.Server.InsecureOpen && exposed == nil, KeysOnly: exposed != nil, Hosts: o.Config.Server.Hosts,
		Proxies: o.Config.Server.TrustedProxies,
	})
	return s, err
}

// recallSyncs has the metrics begin with what the store knows of this node's syncs. One
// that runs on demand alone is not among them: nobody waits for it.
func (s *Server) recallSyncs(ctx context.Context, m *syncMetrics) error {
	own, err := s.keys.Application(ctx, apikey.BuiltIn)
	if err != nil {
		return err
	}
	var slugs []string
	if !s.o.Config.Warehouse.Unset() {
		slugs = append(slugs, warehouseSlug)
	}
	for _, c := range s.contacts {
		slugs = append(slugs, c.sync().Slug)
	}
	return m.recall(ctx, s.ledger, own.ID, slugs)
}

// listenWithKeys takes an address that the network reaches if there is a key to
// call with, and gives exposed if there is none.
func (s *Server) listenWithKeys(ctx context.Context, keys *apikey.Keys, exposed error) error {
	some, err := keys.Any(ctx)
	if err != nil {
		return err
	}
	if !some {
		return exposed
	}
	if c := s.o.Config.Server; c.TLSCert == "" && len(c.TrustedProxies) == 0 {
		s.o.Log.Warn("keys cross the network unencrypted; set FERRYMAN_TLS_CERT_FILE and FERRYMAN_TLS_KEY_FILE, "+
			"or name the proxy that speaks TLS in FERRYMAN_TRUSTED_PROXIES", "listen", c.Listen)
	}
	return s.listen(ctx, true)
}

// closing is what closes without fail as a closer.
func closing(what func()) func() error {
	return func() error {
		what()
		return nil
	}
}

func (s *Server) listen(ctx context.Context, open bool) error {
	listener, err := httpapi.Listen(ctx, s.o.Config.Server.Listen, open)
	if err != nil {
		return err
	}
	s.listener = listener
	s.closers = append(s.closers, func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// URL is where a client on this machine finds the server.
func (s *Server) URL() string {
	scheme := "http"
	if s.cert != nil {
		scheme = "https"
	}
	return localURL(scheme, s.listener.Addr())
}

func localURL(scheme string, a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return scheme + "://localhost:" + strconv.Itoa(tcp.Port) // nobody can call every address
	}
	return scheme + "://" + a.String()
}

// pinned is how a client on this machine knows the server; nil where it speaks plain HTTP.
func (s *Server) pinned() *tls.Config {
	if s.cert == nil {
		return nil
	}
	return certificate.Pinned(s.o.Config.Server.TLSCert)
}

// Run works and answers until ctx ends, then stops within the configured grace:
// what does not finish by then is handed back and goes on at the next start, or
// on another node. ready is called once the node works. Run closes the server.
func (s *Server) Run(ctx context.Context, ready func()) (err error) {
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.retire(ctx); err != nil {
		return err
	}
	if err := s.engine.Start(ctx); err != nil {
		return err
	}
	grace := s.o.Config.Server.StopGrace
	var background sync.WaitGroup
	// Tokens are renewed and crons watched until the engine has stopped, for the
	// runs in hand.
	beside, stopBeside := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { _ = s.warehouse.source.Run(beside) })
	background.Go(func() { s.ledger.Watch(beside, s.o.Log) })
	background.Go(func() { s.alerts.Run(beside, s.o.Log) })
	background.Go(func() { s.endpoints.Run(beside) })
	background.Go(func() { s.postRest(beside) })
	background.Go(func() { s.figures.run(beside) })
	var speak *tls.Config
	if s.cert != nil {
		speak = s.cert.TLS()
		background.Go(func() { s.cert.Watch(beside) })
	}
	defer background.Wait()
	defer stopBeside()

	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	stopped := make(chan error, 1)
	background.Go(func() {
		s.nodes.Serve(serving, node.Self{Name: s.engine.Node(), Version: s.o.Version, URL: s.URL()}, s.work)
		stopped <- s.stopEngine(context.WithoutCancel(ctx))
		s.nodes.Leave(context.WithoutCancel(ctx), s.engine.Node())
	})
	sent := make(chan error, 1)
	go func() {
		err := s.outbox.Run(serving, grace*7/10)
		if err != nil {
			stopServing() // a server that sends nothing would keep quiet about it
		}
		sent <- err
	}()
	defer context.AfterFunc(serving, s.pages.Close)() // open pages would hold up the stop
	defer context.AfterFunc(serving, s.verifier.close)()
	if s.o.Shop {
		now := s.db.Now()
		app, err := s.addShop(ctx, now)
		s.noShop(ctx, err)
		if err == nil {
			background.Go(func() { s.noShop(serving, s.runShop(serving, app, now)) })
		}
	}
	ready()
	err = httpapi.Serve(serving, s.listener, s.handler, httpapi.ServeOptions{Log: s.o.Log, Grace: grace, TLS: speak})
	stopServing()
	return errors.Join(err, <-stopped, <-sent)
}

// retire has nobody wait for syncs that the settings no longer have.
func (s *Server) retire(ctx context.Context) error {
	slugs, err := s.set.Retire(ctx)
	for _, slug := range slugs {
		s.o.Log.Warn("a sync is no longer configured here; its starts are not waited for until a server starts that has it", "sync", slug)
	}
	return err
}

// stopEngine stops the work, and lets go of those who wait for a run.
func (s *Server) stopEngine(ctx context.Context) error {
	begun := time.Now()
	s.o.Log.Info("stopping", "grace", s.o.Config.Server.StopGrace)
	ctx, cancel := context.WithTimeout(ctx, s.o.Config.Server.StopGrace*9/10)
	defer cancel()
	err := s.engine.Stop(ctx)
	s.set.Close()
	if errors.Is(err, context.DeadlineExceeded) {
		s.o.Log.Warn("the job engine did not stop in time; what it left is taken over", "err", err)
		err = nil
	}
	s.o.Log.Info("work stopped", "took", time.Since(begun))
	return err
}

// Close frees what a server holds that was never run.
func (s *Server) Close() error { return s.close() }

func (s *Server) close() error {
	var errs []error
	for _, v := range slices.Backward(s.closers) {
		errs = append(errs, v())
	}
	s.closers = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
