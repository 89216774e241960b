package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ferryman/internal/app"
	"ferryman/internal/config"
	"ferryman/internal/misspelt"
)

// dbsyncGiven is what the command line and the environment say.
type dbsyncGiven struct {
	options []dbsyncOption
	values  map[string]dbsyncValue // by the option's name
	asked   bool                   // for help
}

// dbsyncValue is a text and what it came from, such as -ct or DBSYNC_CT.
type dbsyncValue struct{ text, from string }

// parseDBSync reads flags as the original client does: with one dash or two, and
// with the value behind a blank or an equals sign. Flags win over variables; an empty
// value counts as none. Errors quote no value, nor what may be a value gone astray.
func parseDBSync(args, environ []string) (dbsyncGiven, error) {
	g := dbsyncGiven{options: dbsyncOptions(), values: make(map[string]dbsyncValue)}
	for i := 0; i < len(args); i++ {
		name, text, valued, ok := cutFlag(args[i])
		if !ok {
			return g, fmt.Errorf("argument %d is no flag, and belongs to none", i+1)
		}
		if name == "h" || name == "help" {
			g.asked = true
			return g, nil
		}
		at := slices.IndexFunc(g.options, func(o dbsyncOption) bool { return o.name == name })
		switch {
		case at < 0:
			return g, g.unknown(name, i)
		case valued:
		case g.options[at].onOff:
			text = "true"
		case i+1 == len(args):
			return g, fmt.Errorf("-%s needs a value", name)
		default:
			i++
			text = args[i]
		}
		g.values[name] = dbsyncValue{text, "-" + name}
	}
	g.addEnvironment(environ)
	g.asked = len(args) == 0 && !g.says("id") && !g.says("token") && !g.says("target")
	return g, g.check()
}

// cutFlag takes -x, --x, -x=v and --x=v apart.
func cutFlag(arg string) (name, text string, valued, ok bool) {
	rest, ok := strings.CutPrefix(arg, "-")
	if !ok {
		return "", "", false, false
	}
	rest = strings.TrimPrefix(rest, "-")
	name, text, valued = strings.Cut(rest, "=")
	return name, text, valued, name != "" && name[0] != '-'
}

// unknown names the flag that was meant. What a name may have of a secret whose blank
// was forgotten is left out.
func (g dbsyncGiven) unknown(name string, at int) error {
	said := "unknown flag -" + name
	if len(name) > 24 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") != "" {
		said = fmt.Sprintf("argument %d is an unknown flag", at+1)
	}
	meant := make(map[string]string) // by all that a flag may be thought to be called
	for _, o := range g.options {
		if meant[o.name] = o.name; o.key != "" && !o.file {
			meant[flagName(o.key)] = o.name
		}
	}
	if near := misspelt.Nearest(name, slices.Collect(maps.Keys(meant))); near != "" {
		return fmt.Errorf("%s; did you mean -%s?", said, meant[near])
	}
	return errors.New(said)
}

// says tells whether there is a value for a field.
func (g dbsyncGiven) says(key string) bool {
	return slices.ContainsFunc(g.options, func(o dbsyncOption) bool { return o.key == key && g.values[o.name].text != "" })
}

// addEnvironment adds the variables of what no flag says. A flag also settles what
// the file of the same secret would say.
func (g dbsyncGiven) addEnvironment(environ []string) {
	set := make(map[string]string)
	for _, entry := range environ {
		if name, text, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "DBSYNC") && set[name] == "" {
			set[name] = text
		}
	}
	flagged := make(map[string]bool)
	for _, o := range g.options {
		if g.values[o.name].text != "" {
			flagged[o.name], flagged[o.key] = true, true
		}
	}
	for _, o := range g.options {
		for _, name := range o.variables() {
			if text := strings.TrimSpace(set[name]); text != "" && !flagged[o.name] && !(o.key != "" && flagged[o.key]) {
				g.values[o.name] = dbsyncValue{text, name}
				break
			}
		}
	}
}

// check looks at what sets no field of a campaign.
func (g dbsyncGiven) check() error {
	var wrong []error
	for _, o := range g.options {
		v := g.values[o.name]
		if v.text == "" {
			continue
		}
		if o.onOff {
			if _, err := strconv.ParseBool(strings.ToLower(v.text)); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: it is neither true nor false", v.from))
			}
		}
		if o.name == "l" && (len(v.text) != 1 || v.text[0] < '0' || v.text[0] > '5') {
			wrong = append(wrong, fmt.Errorf("%s: expected %s", v.from, o.expect))
		}
	}
	return errors.Join(wrong...)
}

// on tells whether something is switched on.
func (g dbsyncGiven) on(name string) bool {
	on, _ := strconv.ParseBool(strings.ToLower(g.values[name].text)) // checked
	return on
}

// from lists what was given, without any value.
func (g dbsyncGiven) from() []string {
	var all []string
	for _, o := range g.options {
		if v := g.values[o.name]; v.text != "" {
			all = append(all, v.from)
		}
	}
	return all
}

// campaign is the campaign that was told of, complete and checked.
func (g dbsyncGiven) campaign(in config.Input) (config.Campaign, error) {
	c := config.NewCampaign()
	var wrong []error
	by := make(map[string]string) // fields and what they were set by
	for _, o := range g.options {
		v := g.values[o.name]
		if o.key == "" || v.text == "" {
			continue
		}
		set := c.Set
		if o.file {
			set = c.SetFile
		}
		err := set(in, o.key, v.text)
		if other, twice := by[o.key]; twice {
			err = errors.New(other + " is given, too; leave one of them out")
		}
		if by[o.key] = v.from; err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", v.from, err))
		}
	}
	for _, o := range g.options {
		if by[o.key] == "" && (o.name == "c" || o.name == "ct" || o.name == "url") {
			wrong = append(wrong, fmt.Errorf("-%s is missing; expected the %s", o.name, o.help))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return c, usageError{nil, err}
	}
	c.Complete()
	return c, c.Check()
}

// idle lists what was given and has no effect in a mode; the original client takes
// that as well.
func (g dbsyncGiven) idle(mode string) (from []string) {
	fields := config.CampaignFields()
	for _, o := range g.options {
		v := g.values[o.name]
		i := slices.IndexFunc(fields, func(f config.CampaignField) bool { return f.Key == o.key })
		if v.text != "" && i >= 0 && !fields[i].Counts(mode) {
			from = append(from, v.from)
		}
	}
	return from
}

// call is what is to be done with it.
func (g dbsyncGiven) call() contactsCall {
	return contactsCall{once: g.on("once"), asJSON: g.on("json"), run: app.ContactsRun{DryRun: g.on("dry-run")}}
}
