package config

import (
	"slices"
	"strings"
	"time"
)

// The modes of contact sync. The first two end; a server takes the other two.
const (
	ModeInit    = "db_init"   // all contacts, once
	ModeUpdate  = "db_update" // what changed since Start, once
	ModeSync    = "db_sync"   // what changes, cycle after cycle
	ModeWebhook = "webhook"   // transactions to a web service, cycle after cycle
)

// The other words that a campaign may hold.
const (
	FilterUpdates      = "updates_only"
	FilterHumanUpdates = "hi_updates_only"
	ProfileSeed        = "seed"
	ProfileStandard    = "standard"
)

// Campaign is one campaign whose contacts are synced. Complete and Check it before
// it is used.
type Campaign struct {
	Name      string // slug; unique among all campaigns
	ID        string // as the API has it
	Token     Secret
	TokenFile string // "" or the file that Token came from, read again when the API refuses it
	BaseURL   string // http or https, without a slash at its end
	Mode      string // one of the modes

	// Target is the URL of a database, or in mode webhook of a web service.
	Target Secret

	Start       time.Time // UTC; zero: the mode's own
	Filter      string    // "", FilterUpdates or FilterHumanUpdates
	Prefixes    []string  // of tasks that are wanted; none: all
	TablePrefix string

	Workers     int // calls of the API at a time
	Connections int // to the database, at most
	PerCall     int // contacts that one call asks for
	MaxFields   int // custom fields that get a column; 0: all

	EmptyAsNull  bool // an empty text becomes NULL
	LegacyValues bool // booleans in columns of text are 1 and 0
	History      bool // in mode webhook transactions from before the start are sent, too

	Rate    int      // in mode webhook, posts a second
	Burst   int      // in mode webhook, posts at once; 0: twice the rate
	Profile string   // when a post is tried again: ProfileSeed or ProfileStandard
	Secrets []Secret // whsec_…, what posts are signed with, the newest first; none: nothing is signed

	Every time.Duration // between cycles
}

// NewCampaign has the default of everything that has one.
func NewCampaign() Campaign {
	return Campaign{
		BaseURL: "https://api.dialfire.com",
		Workers: 32, Connections: 32, PerCall: 20,
		Rate: 5, Profile: ProfileSeed, Every: time.Minute,
	}
}

// Complete fills in what follows from the rest: the mode from the target, and the
// name from id and mode. What writes a campaign to a database and what posts it are
// two things, which need not wait for each other.
func (c *Campaign) Complete() {
	if c.Mode == "" && !c.Target.Empty() {
		c.Mode = ModeSync
		if isWeb(c.Target.Reveal()) {
			c.Mode = ModeWebhook
		}
	}
	if c.Name == "" {
		c.Name = nameFrom(c.ID)
		if named := c.Name + "-" + ModeWebhook; c.Mode == ModeWebhook && slug(named) {
			c.Name = named
		}
	}
}

// nameFrom makes a slug of an id that Check accepts.
func nameFrom(id string) string {
	name := strings.ToLower(id)
	if name != "" && !slug(name) {
		name = "c-" + name // of digits alone, or with a dash or underscore in front
	}
	return name
}

// Repeats tells whether the mode goes on cycle after cycle.
func (c Campaign) Repeats() bool { return c.Mode == ModeSync || c.Mode == ModeWebhook }

// Check tells all that is wrong with c at once, as a *fault.Error of kind
// Unconfigured. It names fields as the campaigns file does, and quotes no value.
func (c Campaign) Check() error {
	var l loader
	for _, p := range c.problems() {
		l.problem("campaign %s: %s", c.label(), p)
	}
	return l.err()
}

// label names c in messages.
func (c Campaign) label() string {
	switch {
	case slug(c.Name):
		return c.Name
	case campaignID(c.ID):
		return c.ID
	default:
		return "without a usable name and id"
	}
}

// fieldProblem is what is wrong with one field.
type fieldProblem struct{ key, detail string }

func (p fieldProblem) String() string { return p.key + ": " + p.detail }

// problems are in the order of the fields, at most one each.
func (c Campaign) problems() []fieldProblem {
	var all []fieldProblem
	parsed := c
	for _, f := range parsed.fields(absolute) {
		text := f.text()
		follows := f.key == "name" && c.ID == "" || f.key == "mode" && c.Target.Empty()
		switch {
		case text == "" && follows: // one thing is missing, not two
		case text == "" && f.required:
			all = append(all, fieldProblem{f.key, "it is missing; expected " + f.expect})
		case text != "":
			if _, err := f.parse(text); err != nil {
				all = append(all, fieldProblem{f.key, err.Error() + "; expected " + f.expect})
			}
		}
	}
	wrong := func(key string) bool {
		return slices.ContainsFunc(all, func(p fieldProblem) bool { return p.key == key })
	}
	if !wrong("mode") && !wrong("target") && (c.Mode == ModeWebhook) != isWeb(c.Target.Reveal()) {
		detail := "it is a web address; for mode " + c.Mode + " expected " + expectDatabase
		if c.Mode == ModeWebhook {
			detail = "it is a database; for mode webhook expected " + expectWeb
		}
		all = append(all, fieldProblem{"target", detail})
	}
	return all
}
