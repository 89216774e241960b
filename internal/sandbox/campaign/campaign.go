// Package campaign simulates the API of call-centre campaigns that the contact
// sync reads: fields, contacts with all that was done with them, the lists of
// contacts and of transactions, and inbound calls.
//
// A contact is made up when it is asked for, from the seed, its number and what
// was changed in it, so that a campaign of a million contacts needs little memory
// and is the same each time. Unless told otherwise its data is as bad as data can
// be, at contacts that are always the same. It can tell which rows a perfect
// mirror holds. Changes are made by hand, or steadily as the clock goes. Faults
// make it refuse, stall, truncate or lie. The control API under /_sandbox/ does all
// that from loopback only. The package imports nothing of Ferryman, so that a
// shared bug cannot pass.
package campaign

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"ferryman/internal/sandbox/faults"
)

// Defaults of Options.
const (
	DefaultCampaign = "SANDBOX"
	DefaultToken    = "sandbox-campaign"
	DefaultContacts = 1_000
	DefaultFields   = 40 // with which a contact has about 10 kB
)

// What decides when a transaction is in the list of transactions.
const (
	ByFired   = "fired"   // the time it tells itself
	ByChanged = "changed" // the time at which it came to be in the contact
)

const (
	maxCampaigns   = 100
	maxContacts    = 10_000_000
	maxFields      = 1_000
	maxRate        = 10_000
	maxLag         = 24 * time.Hour
	maxPerCall     = 1_000
	defaultPerCall = maxPerCall
)

// Options say what one campaign is like. The zero value is a campaign of the
// defaults that does not change by itself.
type Options struct {
	Campaign   string           // its id; DefaultCampaign if empty
	Token      string           // DefaultToken if empty
	Contacts   int              // how many there are at first; DefaultContacts if 0, none if negative
	Fields     int              // ordinary custom fields; DefaultFields if 0, none if negative
	Plain      bool             // ordinary data only
	Seed       uint64           // of all that is made up
	Start      time.Time        // all that is there at first happened in the 30 days before; now if zero
	Rate       float64          // changes per second, from Start on; 0 is none
	Faults     []faults.Fault   // faults from the start
	EventsBy   string           // ByFired or ByChanged; ByFired if empty
	Lag        time.Duration    // after which lists show a change
	PerCallMax int              // contacts in one call; 1000 if 0
	Now        func() time.Time // the clock; time.Now if nil
}

// Server is the simulator. It is an http.Handler and safe for concurrent use.
type Server struct {
	mux  *http.ServeMux
	view faults.Page

	mu        sync.RWMutex
	campaigns map[string]*campaign
}

// Paths are all that the simulator answers at, control API included, for a mux
// that it shares: those that end in a slash are the front of longer ones.
func Paths() []string {
	return []string{"/api/campaigns/", "/_sandbox/campaigns", "/_sandbox/campaigns/"}
}

// New builds a simulator of the campaigns, or of one with all defaults if none is
// given. It fails on options that make no sense, such as a fault without a status.
func New(campaigns ...Options) (*Server, error) {
	s := &Server{mux: http.NewServeMux(), view: parsePage(), campaigns: map[string]*campaign{}}
	if len(campaigns) == 0 {
		campaigns = []Options{{}}
	}
	for _, o := range campaigns {
		if err := s.Put(o); err != nil {
			return nil, err
		}
	}
	s.upstream()
	s.control()
	return s, nil
}

// Put adds a campaign, or puts it in the place of the one with its id.
func (s *Server) Put(o Options) error {
	o, err := o.complete()
	if err != nil {
		return fmt.Errorf("campaign %q: %w", o.Campaign, err)
	}
	c := newCampaign(o)
	for _, f := range o.Faults {
		if _, err := c.faults.Inject(f); err != nil {
			return fmt.Errorf("campaign %q: %w", o.Campaign, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.campaigns[o.Campaign]
	if old == nil && len(s.campaigns) >= maxCampaigns {
		return fmt.Errorf("more than %d campaigns", maxCampaigns)
	}
	if old != nil {
		old.faults.Clear(0)
	}
	s.campaigns[o.Campaign] = c
	return nil
}

// complete fills in the defaults and checks the rest.
func (o Options) complete() (Options, error) {
	o.Campaign = cmp.Or(o.Campaign, DefaultCampaign)
	o.Token = cmp.Or(o.Token, DefaultToken)
	o.Contacts = max(cmp.Or(o.Contacts, DefaultContacts), 0)
	o.Fields = max(cmp.Or(o.Fields, DefaultFields), 0)
	o.EventsBy = cmp.Or(o.EventsBy, ByFired)
	o.PerCallMax = cmp.Or(o.PerCallMax, defaultPerCall)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Start.IsZero() {
		o.Start = o.Now()
	}
	switch {
	case len(o.Campaign) > 100 || strings.ContainsAny(o.Campaign, "/?#% "):
		return o, fmt.Errorf("the id has a character that it cannot have, or more than 100")
	case o.Contacts > maxContacts:
		return o, fmt.Errorf("contacts is %d, not at most %d", o.Contacts, maxContacts)
	case o.Fields > maxFields:
		return o, fmt.Errorf("fields is %d, not at most %d", o.Fields, maxFields)
	case !(o.Rate >= 0 && o.Rate <= maxRate): // so that not-a-number is refused too
		return o, fmt.Errorf("rate is %v, not between 0 and %d changes per second", o.Rate, maxRate)
	case o.Lag < 0 || o.Lag > maxLag:
		return o, fmt.Errorf("lag is %v, not between 0 and %v", o.Lag, maxLag)
	case o.PerCallMax < 1 || o.PerCallMax > maxPerCall:
		return o, fmt.Errorf("contacts per call is %d, not between 1 and %d", o.PerCallMax, maxPerCall)
	case !slices.Contains([]string{ByFired, ByChanged}, o.EventsBy):
		return o, fmt.Errorf("events are by %q, not by %s or %s", o.EventsBy, ByFired, ByChanged)
	}
	return o, nil
}

// ServeHTTP answers a call of the API, or of the control API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	s.mux.ServeHTTP(w, r)
}

const maxBody = 1 << 20

// Close lets go of every request that waits in a fault, and ends all faults.
func (s *Server) Close() {
	for _, c := range s.all() {
		c.faults.Clear(0)
	}
}

func (s *Server) find(id string) *campaign {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.campaigns[id]
}

// all is the campaigns in the order of their ids.
func (s *Server) all() []*campaign {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]*campaign, 0, len(s.campaigns))
	for _, c := range s.campaigns {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *campaign) int { return strings.Compare(a.Campaign, b.Campaign) })
	return list
}
