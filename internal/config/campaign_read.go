package config

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"ferryman/internal/misspelt"
)

// given is a value as it stands in the file.
type given struct {
	key  string // "" if it is not there
	line int
	node *yaml.Node
}

// campaign reads, completes and checks one campaign; false if something is wrong
// with it.
func (f *campaignsFile) campaign(item *yaml.Node) (Campaign, bool) {
	before := len(f.problems)
	c := NewCampaign()
	if resolved(item).Kind != yaml.MappingNode {
		f.wrong(item.Line, "a campaign is no mapping of keys to values")
		return c, false
	}
	fields := c.fields(f.resolve)
	values := f.values(item, fields)
	lines, wrong := make(map[string]int), make(map[string]bool) // by the fields' own keys
	for _, field := range fields {
		v, text, err := f.text(&c, field, values)
		if err == nil && text != "" {
			_, err = field.parse(text)
		}
		if lines[field.key] = v.line; err != nil {
			wrong[field.key] = true
			f.wrong(v.line, "%s: %v; expected %s", v.key, err, field.expect)
		}
	}
	c.Complete()
	for _, p := range c.problems() {
		told := wrong[p.key] || p.key == "name" && wrong["id"] || p.key == "mode" && wrong["target"]
		if !told {
			f.wrong(max(item.Line, lines[p.key]), "%s", p)
		}
	}
	if first, taken := f.taken[c.Name]; taken && c.Name != "" {
		f.wrong(item.Line, "name: the campaign of line %d has the same; give one of them another", first)
	}
	f.taken[c.Name] = item.Line
	f.warnings = append(f.warnings, c.Warnings()...)
	return c, len(f.problems) == before
}

// values gives what the file says of a campaign, by key, and refuses what no
// campaign has.
func (f *campaignsFile) values(item *yaml.Node, fields []field) map[string]given {
	var known []string
	for _, field := range fields {
		known = append(known, field.keys()...)
	}
	values := make(map[string]given)
	f.eachKey(resolved(item), func(key string, line int, node *yaml.Node) {
		if slices.Contains(known, key) {
			values[key] = given{key, line, node}
			return
		}
		hint := ""
		if near := misspelt.Nearest(key, known); near != "" {
			hint = "; did you mean " + near + "?"
		}
		f.wrong(line, "a key that no campaign has%s", hint)
	})
	return values
}

// text gives the text of a field and where it stands; "" for none. A secret may
// stand elsewhere.
func (f *campaignsFile) text(c *Campaign, field field, values map[string]given) (from given, text string, err error) {
	for _, key := range field.keys() {
		v, ok := values[key]
		if !ok {
			continue
		}
		shape := field
		if key != field.key {
			shape.several = false // the place of a secret is one
		}
		here, err := scalar(shape, v.node)
		switch {
		case err != nil:
			return v, "", err
		case here == "":
			continue
		case text != "":
			return v, "", errors.New(from.key + " is set, too; leave one of them out")
		}
		from, text = v, here
	}
	switch strings.TrimPrefix(from.key, field.key) {
	case keyFile:
		text, err = f.fromSecretFile(c, field, text)
	case keyEnv:
		if text = strings.TrimSpace(f.variable(text)); text == "" {
			err = errors.New("the variable that it names is not set, or empty")
		}
	default:
		f.holdsSecrets = f.holdsSecrets || field.secret && text != ""
	}
	return from, strings.TrimSpace(text), err
}

func (f *campaignsFile) fromSecretFile(c *Campaign, field field, name string) (string, error) {
	path, err := f.resolve(name)
	if err != nil {
		return "", err
	}
	text, err := secretFile(path)
	if field.key == "token" {
		c.TokenFile = path
	}
	return text, err
}
