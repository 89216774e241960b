package app

import (
	"context"

	"ferryman/internal/apikey"
	"ferryman/internal/dashboard"
	"ferryman/internal/db"
	"ferryman/internal/httpapi"
	"ferryman/internal/jobs"
	"ferryman/internal/rejected"
)

// openDashboard builds the pages. Loopback says that only this machine reaches them.
func (s *Server) openDashboard(ctx context.Context, keys *apikey.Keys, refused *rejected.Log, loopback bool) (*dashboard.Dashboard, error) {
	secret, err := storeSecret(ctx, s.o, s.db)
	if err != nil {
		return nil, err
	}
	jobPages, err := s.engine.Pages(dashboard.JobsRoot)
	if err != nil {
		return nil, err
	}
	d, err := dashboard.New(dashboard.Options{
		Log: s.o.Log, Version: s.o.Version,
		Keys: keys, Sessions: apikey.NewSessions(keys), Audit: s.audit,
		Ledger: s.ledger, Outbox: s.outbox, Nodes: s.nodes, Rejected: refused,
		Syncs: s.set, Pipelines: s.pipelines(), Verifier: s.verifier,
		Alerts: s.alerts, Webhooks: s.endpoints.webhooks, Missing: missingSettings(s.o.Config.Push),
		Jobs:     dashboard.JobPages{Handler: jobPages, Policy: jobs.PagesPolicy},
		Node:     dashboard.Node{Name: s.engine.Node(), Store: s.o.Config.Store.URL.String(), Shared: s.db.Dialect() == db.Postgres, Sandbox: s.o.Sandbox, KeepDays: int(s.o.Config.Outbox.Keep.Hours() / 24)},
		Settings: shownSettings(s.o.Config),
		Secret:   secret, Loopback: loopback, Status: httpapi.StatusOf,
	})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, closing(d.Close))
	return d, nil
}
