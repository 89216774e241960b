package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/outbox"
	"ferryman/internal/pipeline"
	"ferryman/internal/sink/outboxsink"
	"ferryman/internal/sink/sqlsink"
	"ferryman/internal/source/dialfire"
	"ferryman/internal/syncs"
)

// A campaign's cron and its pipeline in a target begin with this. They stand in
// stores and targets: it never changes.
const contactsPrefix = "contacts"

// contactsLimit is how long one run may take: the first load of a large campaign
// is one.
const contactsLimit = 24 * time.Hour

// contactSync is a campaign's source and sink.
type contactSync struct {
	campaign config.Campaign
	source   *dialfire.Source
	sink     pipeline.Sink
	target   *sqlsink.Sink // nil where transactions are posted
	folder   string        // of a target that is empty and goes with the sync; mostly ""
}

// contactOptions are what commands ask for beyond a plain run.
type contactOptions struct {
	resume     time.Time                // from where the original client would have gone on
	full       bool                     // compare everything, wherever the cursor stands
	distrust   bool                     // fetch also what has the same MD5
	dry        bool                     // write nothing
	difference func(sqlsink.Difference) // what a dry run finds; may be nil
}

// openContacts puts a campaign's sync together. The store and the outbox are only
// of use to one that posts.
func openContacts(o Options, d *db.DB, box *outbox.Outbox, c config.Campaign, co contactOptions) (_ *contactSync, err error) {
	s := &contactSync{campaign: c}
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	log := o.Log.With("campaign", c.Name)
	source := sourceOf(c, log)
	source.Version, source.Resume = o.Version, co.resume
	source.Full, source.Distrust, source.Dry = co.full, co.distrust, co.dry
	if posts(c) {
		s.sink = outboxsink.New(d, box, outboxsink.Options{Pipeline: channelOf(c), Channel: channelOf(c), Logger: log})
	} else {
		if err := s.openTarget(o, co, log); err != nil {
			return nil, err
		}
		held := newHoldings(s.target, c)
		source.Holdings, source.Inventory = held, held
	}
	s.source, err = dialfire.New(source)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func sourceOf(c config.Campaign, log *slog.Logger) dialfire.Config {
	return dialfire.Config{
		BaseURL: c.BaseURL, Campaign: c.ID, TokenFunc: tokenOf(c), Mode: dialfire.Mode(c.Mode), Start: c.Start,
		Filter:      dialfire.Filter{Kind: filterOf(c.Filter), Prefixes: c.Prefixes},
		TablePrefix: c.TablePrefix, MaxFields: c.MaxFields, EmptyAsNull: c.EmptyAsNull, LegacyValues: c.LegacyValues, History: c.History,
		Workers: c.Workers, PerCall: c.PerCall, Logger: log,
	}
}

// filterOf reads a kind of filter that the configuration has checked.
func filterOf(kind string) dialfire.FilterKind {
	switch kind {
	case "updates_only":
		return dialfire.UpdatesOnly
	case "hi_updates_only":
		return dialfire.HIUpdatesOnly
	default:
		return dialfire.All
	}
}

func (s *contactSync) openTarget(o Options, co contactOptions, log *slog.Logger) (err error) {
	c, target := s.campaign, s.campaign.Target.Reveal()
	if file := sqliteFile(c); co.dry && file != "" {
		// To look at a file that is not there must not make it.
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			folder, err := os.MkdirTemp("", "ferryman-")
			if err != nil {
				return fmt.Errorf("make a folder for an empty database: %w", err)
			}
			s.folder = folder
			target = config.SQLiteURL(filepath.Join(folder, "empty.db"))
		}
	}
	// The state folder is Ferryman's own; any other the operator makes.
	if file := sqliteFile(c); file != "" && filepath.Dir(file) == o.Config.Store.StateDir {
		if err := os.MkdirAll(o.Config.Store.StateDir, 0o700); err != nil {
			return fmt.Errorf("make the state folder: %w", err)
		}
	}
	s.target, err = sqlsink.Open(target, sqlsink.Options{
		Pipeline: pipelineOf(c),
		Tables:   dialfire.Tables(c.TablePrefix), Adapt: true, Conns: c.Connections, Logger: log,
	})
	if err != nil {
		return err
	}
	s.sink = s.target
	if co.dry {
		s.sink = s.target.Dry(co.difference)
	}
	return nil
}

// pipelineOf names a campaign's pipeline in its target.
func pipelineOf(c config.Campaign) string {
	return strings.TrimSuffix(contactsPrefix+"/"+c.ID+"/"+c.TablePrefix, "/")
}

// tokenOf reads the token of a campaign, anew if it comes from a file.
func tokenOf(c config.Campaign) func() (string, error) {
	return func() (string, error) {
		token, err := c.ReadToken()
		return token.Reveal(), err
	}
}

// sqliteFile is the path of a campaign's SQLite target, "" of any other.
func sqliteFile(c config.Campaign) string {
	u, err := url.Parse(c.Target.Reveal())
	if err != nil || u.Scheme != "sqlite" {
		return ""
	}
	return u.Path
}

// posts tells whether a campaign's transactions go to a web service.
func posts(c config.Campaign) bool { return c.Mode == config.ModeWebhook }

// channelOf is the outbox's channel, and in the store the pipeline, of a campaign
// that posts.
func channelOf(c config.Campaign) string { return campaignPrefix + c.Name }

func hookOf(c config.Campaign) campaignHook {
	return campaignHook{URL: c.Target, Secrets: c.Secrets, Rate: c.Rate, Burst: c.Burst, Profile: c.Profile}
}

// sync is what runs in the ledger.
func (s *contactSync) sync() syncs.Sync {
	sync := syncs.Sync{
		Slug: contactsPrefix + "-" + s.campaign.Name, Name: "Contact sync of " + s.campaign.Name,
		Every: s.campaign.Every, MaxRuntime: contactsLimit, Source: s.source, Sink: s.sink,
	}
	if posts(s.campaign) {
		sync.Letters = "ferryman outbox list --state failed --channel " + channelOf(s.campaign)
	}
	return sync
}

func (s *contactSync) close() error {
	if s.source != nil {
		s.source.Close()
	}
	var err error
	if s.target != nil {
		err = s.target.Close()
	}
	if s.folder != "" {
		err = errors.Join(err, os.RemoveAll(s.folder))
	}
	return err
}
