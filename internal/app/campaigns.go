package app

import (
	"context"

	"ferryman/internal/db"
)

// addCampaigns puts the campaigns of the configuration into the server: each a
// sync, and those that post a channel.
func (s *Server) addCampaigns(ctx context.Context) error {
	for _, c := range s.o.Config.Campaigns {
		if file := sqliteFile(c); file != "" && s.db.Dialect() == db.Postgres {
			s.o.Log.Warn("the store is shared and a campaign's target is a file of this node alone", "campaign", c.Name, "target", file)
		}
		contact, err := openContacts(s.o, s.db, s.outbox, c, contactOptions{})
		if err != nil {
			return err
		}
		s.closers = append(s.closers, contact.close)
		if _, err := s.set.Add(ctx, contact.sync()); err != nil {
			return err
		}
		if !posts(c) {
			continue
		}
		if err := setCampaignHook(s.o, s.outbox, c.Name, hookOf(c)); err != nil { //nolint:contextcheck // channels are served for as long as the server runs
			return err
		}
	}
	return nil
}
