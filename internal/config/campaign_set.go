package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// CampaignField describes one thing to set of a campaign, for flags and help.
type CampaignField struct {
	Key     string // in the campaigns file; Campaign.Set takes it
	Help    string
	Expect  string   // what a value is
	Metavar string   // "bool" for what is on or off
	Default string   // a value, or in words what holds without one; may be empty
	Secret  bool     // Campaign.SetFile takes it, too
	Modes   []string // in which it has an effect; none: in all
}

// Counts tells whether the field has an effect in a mode.
func (f CampaignField) Counts(mode string) bool {
	return len(f.Modes) == 0 || slices.Contains(f.Modes, mode)
}

// CampaignFields are in the order of the documentation.
func CampaignFields() []CampaignField {
	c := NewCampaign()
	var all []CampaignField
	for _, f := range c.fields(absolute) {
		deflt := f.without
		if deflt == "" {
			deflt = f.text()
		}
		all = append(all, CampaignField{Key: f.key, Help: f.help, Expect: f.expect, Metavar: f.metavar, Default: deflt, Secret: f.secret, Modes: f.modes})
	}
	return all
}

// Set gives the field of the key the value that text tells. Relative paths of
// databases start in in.Dir. The error says what is wrong and what is expected, but
// never quotes the text.
func (c *Campaign) Set(in Input, key, text string) error {
	f, err := c.field(in, key)
	if err != nil {
		return err
	}
	if key == "token" {
		c.TokenFile = "" // or its token would be the one that is read
	}
	return f.set(strings.TrimSpace(text))
}

// SetFile is Set with the text of a file, for secrets. A token's file is remembered.
func (c *Campaign) SetFile(in Input, key, path string) error {
	f, err := c.field(in, key)
	if err != nil {
		return err
	}
	l := in.loader()
	if path, err = l.resolve(path); err != nil {
		return err
	}
	text, err := secretFile(path)
	if err != nil {
		return err
	}
	if key == "token" {
		c.TokenFile = path
	}
	return f.set(text)
}

// ReadToken reads the token's file again. Without one it gives the token as it is.
func (c Campaign) ReadToken() (Secret, error) {
	if c.TokenFile == "" {
		return c.Token, nil
	}
	text, err := secretFile(c.TokenFile)
	if err != nil {
		return Secret{}, fmt.Errorf("token: %w", err)
	}
	var read Secret
	if _, err := token(&read).parse(text); err != nil {
		return Secret{}, fmt.Errorf("token: %w", err)
	}
	return read, nil
}

func (c *Campaign) field(in Input, key string) (field, error) {
	l := in.loader()
	for _, f := range c.fields(l.resolve) {
		if f.key == key {
			return f, nil
		}
	}
	return field{}, errors.New("no campaign has the field " + key)
}

func (f field) set(text string) error {
	if text == "" {
		return errors.New("it is empty; expected " + f.expect)
	}
	if _, err := f.parse(text); err != nil {
		return fmt.Errorf("%w; expected %s", err, f.expect)
	}
	return nil
}

// secretFile reads a secret from a file, without what is blank around it. Its errors
// leave the path out, for it may be the secret itself.
func secretFile(path string) (string, error) {
	content, err := readBounded(path, maxSecretFile)
	if err != nil {
		return "", fmt.Errorf("the file %w", err)
	}
	text := strings.TrimSpace(string(content))
	if text == "" {
		return "", errors.New("the file is empty")
	}
	return text, nil
}

// Warnings tell of what is doubtful about c, though it works.
func (c Campaign) Warnings() []Warning {
	var all []Warning
	if unencrypted(c.BaseURL) {
		all = append(all, Warning{Name: "campaign " + c.label(), Detail: "base_url is http: the token crosses the network unencrypted"})
	}
	if unencrypted(c.Target.Reveal()) {
		all = append(all, Warning{Name: "campaign " + c.label(), Detail: "target is http: contacts cross the network unencrypted"})
	}
	return all
}
