package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/fault"
)

const signing = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"

func TestCampaigns(t *testing.T) {
	in := input(t, "SALES_DATABASE=mysql://u:p4ss@db:3306/sales?useSSL=false")
	write(t, in.Dir, "token", "tok-from-file\n")
	write(t, in.Dir, "campaigns.yaml", `
campaigns:
  - id: ABCDEFGH23456789
    token_file: token
    target_env: SALES_DATABASE
    start: 2018-02-01
    filter: hi_updates_only
    stage_prefix: [fc_, "qc_"]
    table_prefix: sales_
    workers: 4
    connections: 5
    per_call: 100
    max_fields: 50
    empty_as_null: true
    legacy_values: true
    every: 30s
  - id: "123"
    name: hooks
    token: &t tok-in-place
    target: https://user:s3cret@hooks.example/p4th?k=v
    secret: [`+signing+`, `+signing+`]
    profile: standard
    rate: 7
    burst: 9
    history: true
  - {id: C3, token: *t, target: "sqlite:calls.db", mode: db_init, start: 2020-01-02T03:04:05.25, base_url: http://127.0.0.1:1/api/, name: , filter: ""}
`)
	c, warnings := load(t, in)
	if len(warnings) > 0 {
		t.Errorf("warns of %v", warnings)
	}
	first := config.NewCampaign()
	first.Name, first.ID, first.Mode = "abcdefgh23456789", "ABCDEFGH23456789", config.ModeSync
	first.Token, first.TokenFile = config.NewSecret("tok-from-file"), filepath.Join(in.Dir, "token")
	first.Target = config.NewSecret("mysql://u:p4ss@db:3306/sales?useSSL=false")
	first.Start = time.Date(2018, 2, 1, 0, 0, 0, 0, time.UTC)
	first.Filter, first.Prefixes, first.TablePrefix = config.FilterHumanUpdates, []string{"fc_", "qc_"}, "sales_"
	first.Workers, first.Connections, first.PerCall, first.MaxFields = 4, 5, 100, 50
	first.EmptyAsNull, first.LegacyValues, first.Every = true, true, 30*time.Second
	second := config.NewCampaign()
	second.Name, second.ID, second.Mode, second.Token = "hooks", "123", config.ModeWebhook, config.NewSecret("tok-in-place")
	second.Target = config.NewSecret("https://user:s3cret@hooks.example/p4th?k=v")
	second.Secrets = []config.Secret{config.NewSecret(signing), config.NewSecret(signing)}
	second.Profile, second.Rate, second.Burst, second.History = config.ProfileStandard, 7, 9, true
	third := config.NewCampaign()
	third.Name, third.ID, third.Mode, third.Token = "c3", "C3", config.ModeInit, config.NewSecret("tok-in-place")
	third.Target = config.NewSecret("sqlite://" + filepath.Join(in.Dir, "calls.db"))
	third.Start = time.Date(2020, 1, 2, 3, 4, 5, 250_000_000, time.UTC)
	third.BaseURL = "http://127.0.0.1:1/api"
	if want := []config.Campaign{first, second, third}; !reflect.DeepEqual(c.Campaigns, want) {
		t.Errorf("got  %+v\nwant %+v", c.Campaigns, want)
	}
	for i, want := range []string{
		"mysql://u:********@db:3306/sales?useSSL=false", "https://hooks.example/***", "sqlite://" + filepath.Join(in.Dir, "calls.db"),
	} {
		if got := c.Campaigns[i].ShownTarget(); got != want {
			t.Errorf("shows %s, want %s", got, want)
		}
	}
	for _, secret := range []string{"tok-", "p4ss", "s3cret", "p4th", "MDEy"} {
		if got := prints(c); strings.Contains(got, secret) {
			t.Errorf("prints %s:\n%s", secret, got)
		}
	}
	if got := shown(t, c, "FERRYMAN_CAMPAIGNS_FILE"); got.Value != filepath.Join(in.Dir, "campaigns.yaml") || got.Origin != config.FromDefault {
		t.Errorf("shows %+v", got)
	}
}

// The rest of the settings does not suffer, and no value is told.
func TestWrongCampaigns(t *testing.T) {
	const good = "campaigns:\n- id: C1\n  token: t\n  target: postgres://h/d\n"
	for name, tt := range map[string]struct {
		file string
		want []string // problems; nil: none
	}{
		"empty":              {"", nil},
		"a comment":          {"# nothing\n", nil},
		"no campaigns":       {"campaigns:\n", nil},
		"an empty list":      {"campaigns: []\n", nil},
		"good":               {good, nil},
		"unset by nothing":   {good + "  filter:\n  start: ''\n  secret_file: ''\n", nil},
		"digits for an id":   {"campaigns: [{id: 0123, token: t, target: postgres://h/d}]", nil},
		"a token like 2E5":   {"campaigns: [{id: 2E5, token: 1e400, target: postgres://h/d}]", nil},
		"two of one id":      {good + "- {id: C1, name: again, token: t, target: http://127.0.0.1/}\n", nil},
		"not YAML":           {"campaigns: [\n", []string{"it is no well-formed YAML near line"}},
		"a tab":              {"campaigns:\n\t- id: A\n", []string{"it is no well-formed YAML near line 2; lines are indented with blanks"}},
		"a lone asterisk":    {"campaigns:\n- token: *hunter2\n", []string{"it is no well-formed YAML; a value that begins with * or & stands in quotes"}},
		"a list":             {"- id: hunter2\n", []string{"it is no mapping; the file begins with the key campaigns"}},
		"two documents":      {good + "---\n" + good, []string{"it holds more than one document"}},
		"another key":        {"hunter2: 1\n", []string{"line 1: unknown key; the file has one, campaigns, which is a list"}},
		"no list":            {"campaigns: {id: hunter2}\n", []string{"line 1: campaigns: it is no list"}},
		"campaigns twice":    {good + "campaigns:\n", []string{"line 5: a key that stands on line 1 already"}},
		"a text":             {"campaigns:\n- hunter2\n", []string{"line 2: a campaign is no mapping"}},
		"nothing of a need":  {"campaigns:\n- {mode: db_sync}\n", []string{"line 2: id: it is missing; expected", "line 2: token: it is missing", "line 2: target: it is missing"}},
		"a misspelt key":     {good + "  wokers: hunter2\n", []string{"line 5: a key that no campaign has; did you mean workers?"}},
		"an unknown key":     {good + "  hunter2: hunter2\n", []string{"line 5: a key that no campaign has\n"}},
		"merging":            {good + "- &a {id: C2, token: t, target: postgres://h/d}\n- {<<: *a, id: C3, token: t, target: postgres://h/d}\n", []string{"line 6: a key that no campaign has"}},
		"a key twice":        {good + "  id: hunter2\n", []string{"line 5: a key that stands on line 2 already"}},
		"a key of keys":      {good + "  ? {hunter2: 1}\n  : 1\n", []string{"line 5: a key is no text"}},
		"a text of numbers":  {good + "  workers: '4'\n", []string{"line 5: workers: it is no whole number, or in quotes; expected a whole number of calls from 1 to 256"}},
		"a fraction":         {good + "  workers: 4.5\n", []string{"line 5: workers: it is no whole number"}},
		"too many":           {good + "  workers: 0\n  per_call: 1001\n", []string{"line 5: workers: it is out of range; expected", "line 6: per_call: it is out of range"}},
		"a quoted boolean":   {good + "  history: 'true'\n", []string{"line 5: history: it is neither, or in quotes; expected true or false"}},
		"a boolean as text":  {good + "  filter: true\n", []string{"line 5: filter: it is no text; put it in quotes if it is meant"}},
		"a list for a text":  {good + "  filter: [hunter2]\n", []string{"line 5: filter: it is no single value"}},
		"a list of lists":    {good + "  stage_prefix: [a, [hunter2]]\n", []string{"line 5: stage_prefix: one of the list is no text"}},
		"a wrong word":       {good + "  filter: hunter2\n", []string{"line 5: filter: it is none of them; expected one of updates_only, hi_updates_only"}},
		"a wrong name":       {good + "  name: Hunter2\n", []string{"line 5: name: it is no such name"}},
		"a wrong id":         {"campaigns: [{id: ../hunter2, token: t, target: postgres://h/d}]", []string{"line 1: id: it is no id"}},
		"a token of two":     {"campaigns: [{id: C1, token: Bearer hunter2, target: postgres://h/d}]", []string{"line 1: token: it holds a blank"}},
		"two tokens":         {good + "  token_env: HOME\n", []string{"line 5: token_env: token is set, too; leave one of them out"}},
		"no such file":       {"campaigns: [{id: C1, token_file: hunter2, target: postgres://h/d}]", []string{"token_file: the file cannot be read: no such file"}},
		"no such variable":   {"campaigns: [{id: C1, token_env: hunter2, target: postgres://h/d}]", []string{"token_env: the variable that it names is not set, or empty"}},
		"a web address":      {good + "  mode: webhook\n", []string{"line 4: target: it is a database; for mode webhook expected an http:// or https:// address"}},
		"a database":         {"campaigns: [{id: C1, token: t, mode: db_sync, target: https://hunter2/}]", []string{"target: it is a web address; for mode db_sync expected postgres://"}},
		"another scheme":     {"campaigns: [{id: C1, token: t, target: ftp://hunter2/}]", []string{"target: its scheme is none of postgres,"}},
		"no database":        {"campaigns: [{id: C1, token: t, target: sqlserver://u:hunter2@h}]", []string{"target: it names no database"}},
		"an open password":   {"campaigns: [{id: C1, token: t, target: mysql://u:hunter2@x@h/d}]", nil},
		"a password in two":  {"campaigns: [{id: C1, token: t, target: mysql://u:hunter2/x@h/d}]", []string{"target: it is not well-formed; in user and password write @"}},
		"a prefix of quotes": {good + "  table_prefix: \"a'b\"\n", []string{"line 5: table_prefix: it is something else"}},
		"a short pause":      {good + "  every: 10ms\n", []string{"line 5: every: it is out of range; expected a duration"}},
		"a number of pauses": {good + "  every: 60\n", []string{"line 5: every: it is no duration"}},
		"a wrong secret":     {good + "  secret: whsec_hunter2\n", []string{"line 5: secret: it is no such secret; expected whsec_"}},
		"three secrets":      {good + "  secret: [" + signing + "," + signing + "," + signing + "]\n", []string{"line 5: secret: it holds 3 secrets"}},
		"the same name":      {good + "- {id: c1, token: t, target: postgres://h/d}\n", []string{"line 5: name: the campaign of line 2 has the same"}},
		"many":               {"campaigns: [" + strings.Repeat("{},", 1001) + "]", []string{"campaigns: it has more than 1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(t, "FERRYMAN_CAMPAIGNS_FILE=c.yaml")
			write(t, in.Dir, "c.yaml", tt.file)
			c, _, err := config.Load(in)
			if c.Server.Listen == "" {
				t.Error("other settings are not there")
			}
			if tt.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || fault.KindOf(err) != fault.Unconfigured {
				t.Fatalf("gives %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error()+"\n", want) {
					t.Errorf("does not tell %q, but\n%v", want, err)
				}
			}
			if n := strings.Count(err.Error(), "\n  - "); n != len(tt.want) && n+1 != len(tt.want) {
				t.Errorf("tells of more than %d:\n%v", len(tt.want), err)
			}
			if strings.Contains(strings.ToLower(err.Error()), "hunter2") {
				t.Errorf("quotes a value: %v", err)
			}
		})
	}
}

func TestCampaignsFileIsNamed(t *testing.T) {
	in := input(t)
	if c, _ := load(t, in); len(c.Campaigns) > 0 {
		t.Error("campaigns from nowhere")
	}
	if _, _, err := config.Load(withFlags(t, in, "--campaigns", "none.yaml")); err == nil || !strings.Contains(err.Error(), "FERRYMAN_CAMPAIGNS_FILE (--campaigns), from flag: the file cannot be read") {
		t.Errorf("a file that is missing gives %v", err)
	}
	write(t, in.Dir, "campaigns.yaml", "campaigns: [{id: C1, token: t, target: postgres://h/d}]")
	write(t, in.Dir, "other.yaml", "campaigns: [{id: C2, token: t, target: postgres://h/d}]")
	if c, _ := load(t, in); len(c.Campaigns) != 1 || c.Campaigns[0].ID != "C1" {
		t.Errorf("the default gives %+v", c.Campaigns)
	}
	if c, _ := load(t, withFlags(t, in, "--campaigns=other.yaml")); len(c.Campaigns) != 1 || c.Campaigns[0].ID != "C2" {
		t.Errorf("the flag gives %+v", c.Campaigns)
	}
	in.Ignore = []string{"FERRYMAN_CAMPAIGNS_FILE"}
	if c, _ := load(t, in); len(c.Campaigns) > 0 {
		t.Error("what is ignored counts")
	}
}

func TestCampaignsFileThatAllMayRead(t *testing.T) {
	for _, tt := range []struct {
		file string
		mode os.FileMode
		warn bool
	}{
		{"campaigns: [{id: C1, token: t, target: postgres://h/d}]", 0o644, true},
		{"campaigns: [{id: C1, token: t, target: postgres://h/d}]", 0o640, false},
		{"campaigns: [{id: C1, token_env: HOME, target_env: D}]", 0o644, false},
	} {
		in := input(t, "D=postgres://h/d")
		write(t, in.Dir, "campaigns.yaml", tt.file)
		if err := os.Chmod(filepath.Join(in.Dir, "campaigns.yaml"), tt.mode); err != nil {
			t.Fatal(err)
		}
		_, warnings := load(t, in)
		if got := len(warnings) == 1 && strings.Contains(warnings[0].Detail, "everybody on this machine may read it"); got != tt.warn {
			t.Errorf("%s with mode %o warns of %v", tt.file, tt.mode, warnings)
		}
	}
}

func FuzzCampaigns(f *testing.F) {
	f.Add("campaigns:\n- id: C1\n  token: t\n  target: postgres://h/d\n  stage_prefix: [a, b]\n")
	f.Add("campaigns: [&a {id: 1, token: *a, secret: [whsec_, !x y]}]\n---\n")
	f.Add("campaigns:\n- {<<: {}, ? [] : }\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		write(t, dir, "campaigns.yaml", text)
		c, _, err := config.Load(config.Input{Environ: []string{"HOME=/home/ann"}, Dir: dir, UID: 1000})
		if err != nil && fault.KindOf(err) != fault.Unconfigured {
			t.Fatal(err)
		}
		for _, one := range c.Campaigns {
			if err := one.Check(); err != nil {
				t.Errorf("gives a campaign that is refused: %v", err)
			}
		}
	})
}
