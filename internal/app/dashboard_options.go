package app

import (
	"cmp"
	"context"
	"net/url"

	"ferryman/internal/config"
	"ferryman/internal/dashboard"
	"ferryman/internal/sink/sqlsink"
)

// pipelines are the server's syncs as people know them, without secrets.
func (s *Server) pipelines() []dashboard.Pipeline {
	w := s.o.Config.Warehouse
	all := []dashboard.Pipeline{{
		Slug: warehouseSlug, Source: "WMS API at " + hostOf(w.BaseURL), Target: w.Database.String(), Letters: lettersOf(s.warehouse.sink),
	}}
	for _, contact := range s.contacts {
		c := contact.campaign
		p := dashboard.Pipeline{
			Slug: contact.sync().Slug, Source: "campaign " + c.ID + " at " + hostOf(c.BaseURL), Target: c.ShownTarget(), Mode: c.Mode,
		}
		if posts(c) {
			p.Channel = channelOf(c)
		} else {
			p.Letters = lettersOf(contact.target)
		}
		all = append(all, p)
	}
	return all
}

// hostOf is the host of an address; what else stands in it people need not see.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that cannot be read"
	}
	return u.Host
}

// lettersOf reads the dead letters of a target.
func lettersOf(target *sqlsink.Sink) func(context.Context, dashboard.Letter, int) ([]dashboard.Letter, error) {
	return func(ctx context.Context, after dashboard.Letter, limit int) ([]dashboard.Letter, error) {
		letters, err := target.Letters(ctx, sqlsink.Letter(after), limit)
		all := make([]dashboard.Letter, len(letters))
		for i, l := range letters {
			all[i] = dashboard.Letter(l)
		}
		return all, err
	}
}

// shownSettings are the settings as config show has them.
func shownSettings(c config.Config) []dashboard.Setting {
	var all []dashboard.Setting
	for _, s := range c.Show() {
		all = append(all, dashboard.Setting{
			Section: string(s.Section), Name: s.Name, Value: s.Value, Source: cmp.Or(s.Detail, string(s.Origin)), Set: s.Origin != config.FromDefault,
			Default: s.Default, Help: s.Help,
		})
	}
	return all
}
