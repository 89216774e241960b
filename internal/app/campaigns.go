package app

import (
	"context"
	"slices"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/db"
)

// addCampaigns puts the campaigns of the configuration into the server: each a
// sync, and those that post a channel.
func (s *Server) addCampaigns(ctx context.Context) error {
	for _, c := range s.o.Config.Campaigns {
		if !c.Repeats() { // it would begin again and again
			s.o.Log.Warn("a campaign of this mode is synced by command, and not by the server", "campaign", c.Name, "mode", c.Mode)
			continue
		}
		if file := sqliteFile(c); file != "" && s.db.Dialect() == db.Postgres {
			s.o.Log.Warn("the store is shared and a campaign's target is a file of this node alone", "campaign", c.Name, "target", file)
		}
		options := contactOptions{}
		if s.o.Resume != nil {
			options.resume = s.o.Resume(c)
		}
		contact, err := openContacts(s.o, s.db, s.outbox, c, options)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, contact.close)
		if _, err := s.set.Add(ctx, contact.sync()); err != nil {
			return err
		}
		s.contacts = append(s.contacts, contact)
		if !posts(c) {
			continue
		}
		posted, err := s.postCampaign(c) //nolint:contextcheck // channels are served for as long as the server runs
		if err != nil {
			return err
		}
		if !posted {
			s.o.Log.Warn("another process posts a campaign's transactions; the server does once that has ended", "campaign", c.Name)
			s.unposted = append(s.unposted, c)
		}
	}
	return nil
}

// postCampaign has the outbox post a campaign's transactions, unless another process
// that shares the store does.
func (s *Server) postCampaign(c config.Campaign) (posted bool, err error) {
	release, ok, err := s.db.Take(channelOf(c))
	if err != nil || !ok {
		return false, err
	}
	if err := setCampaignHook(s.o, s.outbox, c.Name, hookOf(c)); err != nil {
		release()
		return false, err
	}
	s.closers = append(s.closers, closing(release))
	return true, nil
}

// postRest has campaigns posted that other processes post, when those have ended.
func (s *Server) postRest(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for len(s.unposted) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s.unposted = slices.DeleteFunc(s.unposted, func(c config.Campaign) bool { //nolint:contextcheck // as in addCampaigns
			posted, err := s.postCampaign(c)
			if err != nil {
				s.o.Log.Warn("cannot post a campaign's transactions", "campaign", c.Name, "err", err)
			}
			return posted
		})
	}
}
