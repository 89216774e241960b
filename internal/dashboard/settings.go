package dashboard

import (
	"strconv"

	"ferryman/internal/apikey"
	"ferryman/internal/audit"
	"ferryman/internal/ledger"
)

// Setting is a setting of this node as people may see it.
type Setting struct {
	Section string
	Name    string
	Value   string // "" is unset; a secret is masked
	Source  string // where it comes from: "default", "environment", ".env line 3"
	Set     bool   // somebody set it: it is not the default
	Default string // or in words how it is made; "" is unset
	Help    string // what it does
}

// Node is the server that the pages come from.
type Node struct {
	Name     string
	Store    string // where its state is, without secrets
	Shared   bool   // other nodes can serve the store as well
	Sandbox  bool   // it is that of a trial: commands find it by --sandbox
	KeepDays int    // for how long attempts are kept after their delivery is settled
}

func (d *Dashboard) settingsPages() []page {
	return []page{
		{Root + "settings", "settings", operators, d.settings, []string{"set"}},
		{Root + "record", "settings", operators, d.record, []string{"action", "before"}},
	}
}

func (d *Dashboard) settingsActions() []action {
	return []action{{Root + "sessions/{id}/revoke", "session.revoke", operators, d.revokeSession}}
}

// settingsPage is what the page of the settings shows.
type settingsPage struct {
	Node     Node
	Version  string
	Jobs     string // the address of the job engine's own pages; "" if there are none
	Sections []settingSection
	Changed  bool // only what somebody set is shown
	Chips    []chip
	Sessions []apikey.Session
	KeepRuns int64 // of a cron that says nothing else
}

type settingSection struct {
	Name string
	Rows []Setting
}

// settings is the page of what this node goes by.
func (d *Dashboard) settings(r *request) (view, error) {
	p := settingsPage{Node: d.o.Node, Version: d.o.Version, KeepRuns: ledger.DefaultKeepRuns}
	if d.o.Jobs.Handler != nil && r.viewer.Admin() {
		p.Jobs = JobsRoot + "/"
	}
	var err error
	if p.Changed, err = r.query.Truth("set"); err != nil {
		return view{}, err
	}
	if p.Sessions, err = d.o.Sessions.List(r.Context()); err != nil {
		return view{}, err
	}
	all, set := int64(len(d.o.Settings)), int64(0)
	for _, s := range d.o.Settings {
		if s.Set {
			set++
		} else if p.Changed {
			continue
		}
		if n := len(p.Sections); n == 0 || p.Sections[n-1].Name != s.Section {
			p.Sections = append(p.Sections, settingSection{Name: s.Section})
		}
		last := &p.Sections[len(p.Sections)-1]
		last.Rows = append(last.Rows, s)
	}
	p.Chips = []chip{
		{Word: "All", Link: with(r.query, "settings", "set", ""), On: !p.Changed, Count: all},
		{Word: "Set by somebody", Link: with(r.query, "settings", "set", "1"), On: p.Changed, Count: set},
	}
	return view{template: "settings", title: "Settings", data: p}, nil
}

// revokeSession signs somebody out.
func (d *Dashboard) revokeSession(r *request) (done, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return done{}, apikey.ErrNoSession
	}
	if err := d.o.Sessions.Revoke(r.Context(), id); err != nil {
		return done{}, err
	}
	did := done{say: "The session has ended. Its key is still good: revoke that, too, if it is in wrong hands.", target: audit.Session(id)}
	if id == r.viewer.Session {
		did.say, did.next = "You are signed out.", Root+"sign-in"
	}
	return did, nil
}
