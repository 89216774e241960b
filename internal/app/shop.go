package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/ledger"
	"ferryman/internal/sandbox/shop"
)

const (
	shopSeed = 1
	// shopTidy bounds what is done for the shop when the server stops.
	shopTidy = 2 * time.Second
)

// addShop adds the simulated application and its crons. It is done before the server says
// that it is ready, so whoever waits for that may ask for them at once. What is there
// already stays as people have changed it.
func (s *Server) addShop(ctx context.Context, now time.Time) (app int64, err error) {
	app, err = s.shopApplication(ctx)
	if err != nil {
		return 0, err
	}
	return app, s.addShopCrons(ctx, app, now)
}

// runShop has the simulated application report to this server until ctx ends, with a key
// that is the shop's alone for so long. now is when its crons were added.
func (s *Server) runShop(ctx context.Context, app int64, now time.Time) (err error) {
	if err := s.releaseShop(ctx, app); err != nil {
		return err
	}
	reported, err := s.shopReported(ctx, app)
	if err != nil {
		return err
	}
	key, err := s.shopKey(ctx)
	if err != nil {
		return err
	}
	defer func() {
		lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), shopTidy)
		defer cancel()
		err = errors.Join(err, s.releaseShop(lasting, app), s.revokeShopKey(lasting))
	}()
	return shop.New(shop.Options{URL: s.URL(), TLS: s.pinned(), Key: key, Seed: shopSeed, Now: now, Reported: reported}).Run(ctx)
}

// noShop notes why nobody reports. The server is none the worse without it.
func (s *Server) noShop(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		s.o.Log.Warn("the simulated shop reports no crons", "err", err)
	}
}

// shopApplication gives the id of the shop's application, which it adds if need be.
func (s *Server) shopApplication(ctx context.Context) (int64, error) {
	a, err := s.keys.AddApplication(ctx, shop.Application)
	if errors.Is(err, apikey.ErrApplicationExists) {
		a, err = s.keys.Application(ctx, shop.Application)
	}
	return a.ID, err
}

// addShopCrons adds the crons of the shop that are not there.
func (s *Server) addShopCrons(ctx context.Context, app int64, now time.Time) error {
	for _, c := range shop.Crons(now) {
		_, err := s.ledger.Cron(ctx, app, ledger.Ref{Slug: c.Slug})
		if err == nil {
			continue // maybe by another name by now
		}
		if !errors.Is(err, ledger.ErrNoCron) {
			return err
		}
		if _, err := s.ledger.Create(ctx, app, c.Slug, shopSettings(c)); err != nil {
			return err
		}
		if !c.Paused {
			continue
		}
		const long = 365 * 24 * time.Hour
		if _, err := s.ledger.Pause(ctx, app, ledger.Ref{Slug: c.Slug}, now.Add(long)); err != nil {
			return err
		}
	}
	return nil
}

func shopSettings(c shop.Cron) ledger.Settings {
	settings := ledger.DefaultSettings()
	settings.Name, settings.Schedule, settings.MaxRuntime = c.Name, c.Schedule, c.MaxRuntime
	if c.Grace > 0 {
		settings.Grace = c.Grace
	}
	if c.FailAfter > 0 {
		settings.FailAfter = c.FailAfter
	}
	if c.Alone {
		settings.Overlap = ledger.Forbid
	}
	return settings
}

// releaseShop frees the places of the executions that run: the shop that ran them is
// gone.
func (s *Server) releaseShop(ctx context.Context, app int64) error {
	for _, c := range shop.Crons(s.db.Now()) {
		_, err := s.ledger.ReleaseAll(ctx, app, ledger.Ref{Slug: c.Slug}, "the simulated shop has stopped")
		if err != nil && !errors.Is(err, ledger.ErrNoCron) { // somebody may have deleted it
			return err
		}
	}
	return nil
}

// shopReported gives when the newest execution of each of the shop's crons began.
func (s *Server) shopReported(ctx context.Context, app int64) (map[string]time.Time, error) {
	reported := map[string]time.Time{}
	for _, c := range shop.Crons(s.db.Now()) {
		cron, err := s.ledger.Cron(ctx, app, ledger.Ref{Slug: c.Slug})
		if err != nil {
			return nil, err
		}
		if cron.LastExecution == 0 {
			continue
		}
		last, err := s.ledger.Execution(ctx, app, cron.LastExecution)
		switch {
		case errors.Is(err, ledger.ErrNoExecution): // it was too old to be kept
			reported[c.Slug] = s.db.Now()
		case err != nil:
			return nil, err
		default:
			reported[c.Slug] = last.StartedAt
		}
	}
	return reported, nil
}

// shopKey makes the shop's key. That of a server that did not stop in order ends.
func (s *Server) shopKey(ctx context.Context) (string, error) {
	if err := s.revokeShopKey(ctx); err != nil {
		return "", err
	}
	made, key, err := s.keys.Create(ctx, shop.Application, apikey.Ping, time.Time{})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(s.shopKeyFile(), []byte(made.Prefix+"\n"), 0o600); err != nil {
		_, revoked := s.keys.Revoke(ctx, made.Prefix)
		return "", errors.Join(fmt.Errorf("note the key of the simulated shop: %w", err), revoked)
	}
	return key, nil
}

func (s *Server) revokeShopKey(ctx context.Context) error {
	file := s.shopKeyFile()
	prefix, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("which key the simulated shop had: %w", err)
	}
	_, err = s.keys.Revoke(ctx, strings.TrimSpace(string(prefix)))
	if err != nil && !errors.Is(err, apikey.ErrNoKey) {
		return err
	}
	return os.Remove(file)
}

// shopKeyFile is where the prefix of the shop's key is noted, which is no secret. It is
// beside the secret of the store's keys.
func (s *Server) shopKeyFile() string {
	if s.db.Dialect() == db.SQLite {
		return s.db.Path() + ".shop-key"
	}
	return filepath.Join(s.o.Config.Store.StateDir, "shop-key")
}
