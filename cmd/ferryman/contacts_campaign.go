package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ferryman/internal/config"
	"ferryman/internal/fault"
)

var errVerifyWebhook = errors.New("a web service cannot be asked what it holds; verify compares databases")

// campaignFlags tell of a campaign, one flag for each of its fields.
type campaignFlags struct {
	which  string
	keys   map[string]string // flags and the fields that they set
	files  map[string]string // flags and the fields that files named by them set
	values *pflag.FlagSet
}

// newCampaignFlags adds them to fs, with those of the settings.
func newCampaignFlags(fs *pflag.FlagSet) *campaignFlags {
	f := &campaignFlags{keys: make(map[string]string), files: make(map[string]string), values: fs}
	config.AddFlags(fs, contactsSections()...)
	fs.StringVar(&f.which, "campaign", "", "`name or id` of a campaign of the file, or the id of another (default the only one of the file)")
	for _, field := range config.CampaignFields() {
		if field.Key == "id" {
			continue // --campaign
		}
		name := flagName(field.Key)
		help := field.Help
		if field.Default != "" && field.Metavar != "bool" {
			help += " (default " + field.Default + ")"
		}
		if field.Key != "secret" { // a file alone will do for what is new
			flag := fs.VarPF(&textFlag{metavar: field.Metavar}, name, "", help)
			if field.Metavar == "bool" {
				flag.NoOptDefVal = "true" // no value is needed
			}
			f.keys[name] = field.Key
		}
		if field.Secret {
			fs.String(name+"-file", "", "`file` that holds the "+name)
			f.files[name+"-file"] = field.Key
		}
	}
	return f
}

// textFlag keeps the text of a flag until it is judged, so that no error quotes it.
type textFlag struct{ text, metavar string }

func (f *textFlag) String() string { return f.text }

// Set takes any text.
func (f *textFlag) Set(text string) error {
	f.text = text
	return nil
}

// Type is what the help calls the value.
func (f *textFlag) Type() string { return f.metavar }

// flagName is the flag of a field.
func flagName(key string) string { return strings.ReplaceAll(key, "_", "-") }

// campaign is the campaign that the flags, the file and the settings tell of,
// complete and checked.
func (f *campaignFlags) campaign(cmd *cobra.Command, in config.Input, c config.Config) (config.Campaign, error) {
	campaign, err := f.base(in, c)
	if fault.KindOf(err) == fault.Unconfigured { // wrong in the file
		return campaign, err
	}
	if err != nil {
		return campaign, usageError{cmd, err}
	}
	var wrong []error
	f.values.Visit(func(flag *pflag.Flag) { // those that were given
		err := error(nil)
		if key, ok := f.keys[flag.Name]; ok {
			err = campaign.Set(in, key, flag.Value.String())
		} else if key, ok := f.files[flag.Name]; ok {
			if err = campaign.SetFile(in, key, flag.Value.String()); f.values.Changed(flagName(key)) {
				err = errors.New("--" + flagName(key) + " is given, too; leave one of them out")
			}
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("--%s: %w", flag.Name, err))
		}
	})
	if err := errors.Join(wrong...); err != nil {
		return campaign, usageError{cmd, err}
	}
	campaign.Complete()
	if err := f.idle(campaign.Mode); err != nil {
		return campaign, usageError{cmd, err}
	}
	file := entries(c)
	known := slices.ContainsFunc(file, func(e entry) bool { return e.id == campaign.ID })
	if !known && len(file) > 0 && (campaign.Token.Empty() || campaign.Target.Empty()) {
		return campaign, usageError{cmd, fmt.Errorf("--campaign: the campaigns file has no %s, but %s; one beside the file needs --target and --token-file",
			campaign.ID, names(file))}
	}
	return campaign, toSet(campaign, campaign.Check())
}

// toSet adds to the error of a campaign that lacks its token or its target how they are given.
func toSet(c config.Campaign, err error) error {
	wrong, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	var ways []string
	if c.Token.Empty() {
		ways = append(ways, "the token: FERRYMAN_CONTACTS_TOKEN or --token-file")
	}
	if c.Target.Empty() {
		ways = append(ways, "the target: FERRYMAN_CONTACTS_TARGET, --target or --target-file")
	}
	if len(ways) == 0 {
		return err
	}
	told := *wrong
	told.Hint = "set " + strings.Join(ways, "; ")
	return &told
}

// idle is the error of flags that were given and have no effect in a mode.
func (f *campaignFlags) idle(mode string) error {
	if mode == "" {
		return nil // what is missing is told first
	}
	of := make(map[string]config.CampaignField)
	for _, field := range config.CampaignFields() {
		of[field.Key] = field
	}
	var wrong []error
	f.values.Visit(func(flag *pflag.Flag) {
		key := f.keys[flag.Name] + f.files[flag.Name]
		if field, ok := of[key]; ok && !field.Counts(mode) {
			wrong = append(wrong, fmt.Errorf("--%s: it has no effect in mode %s; it counts in %s", flag.Name, mode, strings.Join(field.Modes, ", ")))
		}
	})
	return errors.Join(wrong...)
}

// base is what the file says of the campaign that is asked for; of one that it does
// not know, what the settings say.
func (f *campaignFlags) base(in config.Input, c config.Config) (config.Campaign, error) {
	all := entries(c)
	named := slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return f.which == "" || e.name != f.which })
	ofID := slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return f.which == "" || e.id != f.which })
	switch {
	case len(named) > 0: // the last is wrong if it has the name of another
		return named[len(named)-1].take()
	case f.which == "" && len(all) == 1:
		return all[0].take()
	case f.which == "" && len(all) == 0:
		return config.Campaign{}, errors.New("--campaign is missing, and there is no campaigns file")
	case f.which == "":
		return config.Campaign{}, fmt.Errorf("--campaign is missing; the file has %s", names(all))
	case len(ofID) == 1:
		return ofID[0].take()
	case len(ofID) > 1:
		return config.Campaign{}, fmt.Errorf("--campaign: the file has several of this id; name one of %s", names(ofID))
	}
	campaign := config.NewCampaign()
	campaign.Token, campaign.Target = c.Contacts.Token, c.Contacts.Target
	if err := campaign.Set(in, "id", f.which); err != nil {
		return campaign, fmt.Errorf("--campaign: %w", err)
	}
	return campaign, nil
}

// entry is a campaign of the file, or what is wrong with it.
type entry struct {
	name, id string
	campaign config.Campaign
	err      error
}

func (e entry) take() (config.Campaign, error) { return e.campaign, e.err }

// entries are all of the file: those that can be used, then the others.
func entries(c config.Config) []entry {
	var all []entry
	for _, one := range c.Campaigns {
		all = append(all, entry{name: one.Name, id: one.ID, campaign: one})
	}
	for _, one := range c.Refused {
		all = append(all, entry{name: one.Name, id: one.ID, err: one.Err})
	}
	return all
}

// names are what there is to choose from.
func names(all []entry) string {
	var texts []string
	for _, e := range all {
		if e.name != "" && !slices.Contains(texts, e.name) {
			texts = append(texts, e.name)
		}
	}
	return strings.Join(texts, ", ")
}

// leftOff is where the original client left off with a campaign on this machine, for
// a first start; zero if it did not.
func leftOff(in config.Input, c config.Campaign, log *slog.Logger) time.Time {
	at, err := config.ReadOriginalState(in, c.ID)
	if err != nil {
		log.Warn("cannot go on from where dbsync2 left off", "campaign", c.Name, "err", fault.OneLine(err))
	}
	return at
}

// warn logs what is doubtful about a campaign, but for what was told of those of the
// file.
func warn(log *slog.Logger, c config.Campaign, file ...config.Campaign) {
	var told []config.Warning
	for _, one := range file {
		told = append(told, one.Warnings()...)
	}
	for _, w := range c.Warnings() {
		if !slices.Contains(told, w) {
			log.Warn("setting", "name", w.Name, "problem", w.Detail)
		}
	}
}
