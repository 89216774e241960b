package dialfire

import (
	"context"
	"time"

	"ferryman/internal/httpclient"
	"ferryman/internal/pipeline"
)

// Source is a pipeline.Source. One read at a time may use it; Progress may be asked
// at any time.
type Source struct {
	config   Config
	tempo    tempo
	api      *api
	progress counters

	layout   *layout         // of the last read; nil before the first, and of webhook
	postings *pipeline.Table // of webhook
	memory   *memory         // what webhook has read, in place of holdings
	shunned  shunned
}

// New makes a source. What is missing or malformed is a fault of kind Unconfigured; a
// token is looked at when it is first needed.
func New(c Config) (*Source, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	campaign, err := c.campaign()
	if err != nil {
		return nil, err
	}
	s := &Source{config: c, tempo: defaultTempo()}
	s.api = &api{
		campaign: campaign,
		client: httpclient.New(httpclient.Options{
			Timeout:        c.Timeout,
			MaxAnswerBytes: maxAnswerBytes,
			Version:        c.Version,
			Settings:       httpclient.Settings{Address: "the base URL", Timeout: "the time-out of a request"},
			Logger:         c.Logger,
			Conns:          c.Workers + 2, // lists are read meanwhile
		}),
		token:    &token{read: c.TokenFunc},
		tempo:    &s.tempo,
		patience: c.Patience,
		log:      c.Logger,
	}
	if c.Mode == Webhook {
		s.postings = Postings()
		s.memory = newMemory()
		s.config.Holdings = s.memory
	}
	return s, nil
}

// Close closes idle connections. Reads have to have ended.
func (s *Source) Close() { s.api.client.Close() }

func (s *Source) now() time.Time { return milli(s.config.Now()) }

// refresh sees to the layout before a read. It gives a digest of the fields.
func (s *Source) refresh(ctx context.Context) (digest string, err error) {
	fields, err := s.api.fields(ctx)
	if err != nil {
		return "", err
	}
	if s.layout == nil || !s.layout.equal(fields) {
		s.layout = newLayout(layoutOptions{
			prefix: s.config.TablePrefix, fields: fields, maxFields: s.config.MaxFields, filter: s.config.Filter,
			emptyAsNull: s.config.EmptyAsNull, legacyValues: s.config.LegacyValues,
		})
	}
	return digestOf(s.layout.custom), nil
}
