package main

import (
	"flag"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/config"
)

func TestIsDBSync(t *testing.T) {
	for arg, want := range map[string]string{
		"dbsync2": "dbsync2", "/usr/bin/dbsync2": "dbsync2", "./dbsync": "dbsync", `C:\bin\DBSync2.EXE`: "dbsync2", "dbsync.exe": "dbsync",
		"ferryman": "", "dbsync3": "", "/opt/dbsync2/ferryman": "", "": "",
	} {
		if got, ok := isDBSync([]string{arg}); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %s, %t", arg, got, ok)
		}
	}
	if _, ok := isDBSync(nil); ok {
		t.Error("nothing is a program")
	}
}

func campaignOf(t *testing.T, args ...string) config.Campaign {
	t.Helper()
	g, err := parseDBSync(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := g.campaign(config.Input{Dir: "/work"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The examples of the original client's manual mean what they say there.
func TestOriginalExamples(t *testing.T) {
	c := campaignOf(t, "--a", "db_sync", "--fm", "hi_updates_only", "--fp", "fc_,qc_", "--c", "MY_CAMPAIGN_ID", "--ct", "MY_CAMPAIGN_TOKEN",
		"--s", "2018-02-01", "--url", "sqlserver://my_user:my_password@localhost:1433/sql_server_instance/my_database")
	if c.Mode != config.ModeSync || c.Filter != config.FilterHumanUpdates || !slices.Equal(c.Prefixes, []string{"fc_", "qc_"}) ||
		c.ID != "MY_CAMPAIGN_ID" || c.Name != "my_campaign_id" || c.Token.Reveal() != "MY_CAMPAIGN_TOKEN" ||
		!c.Start.Equal(time.Date(2018, 2, 1, 0, 0, 0, 0, time.UTC)) ||
		c.Target.Reveal() != "sqlserver://my_user:my_password@localhost:1433/sql_server_instance/my_database" {
		t.Errorf("got %+v", c)
	}
	c = campaignOf(t, "--a", "webhook", "--c", "MY_CAMPAIGN_ID", "--ct", "MY_CAMPAIGN_TOKEN", "--url", "https://example.com/api/transactions/")
	if c.Mode != config.ModeWebhook || c.Target.Reveal() != "https://example.com/api/transactions/" || c.Workers != 32 || c.Connections != 32 || c.Rate != 5 || c.Burst != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestEveryDBSyncOptionHasVariables(t *testing.T) {
	seen := make(map[string]bool)
	for _, o := range dbsyncOptions() {
		if seen[o.name] || o.help == "" || o.value == "" && !o.onOff {
			t.Errorf("-%s stands twice or is incomplete", o.name)
		}
		seen[o.name] = true
		for _, name := range o.variables() {
			g, err := parseDBSync(nil, []string{"PATH=x", name + "=", name + "=1", name + "=0"})
			if err != nil || g.values[o.name].text != "1" || g.values[o.name].from != name {
				t.Errorf("%s: %v, %v", name, g.values[o.name], err)
			}
			if g, err = parseDBSync([]string{"-" + o.name + "=0"}, []string{name + "=1"}); err != nil || g.values[o.name] != (dbsyncValue{"0", "-" + o.name}) {
				t.Errorf("-%s does not win: %v, %v", o.name, g.values[o.name], err)
			}
		}
	}
	g, _ := parseDBSync(nil, []string{"DBSYNCC=late", "DBSYNC_C=first"})
	if g.values["c"].text != "first" {
		t.Errorf("the documented variable does not win: %v", g.values["c"])
	}
	g, _ = parseDBSync([]string{"-ct", "t"}, []string{"DBSYNC_CT_FILE=f", "DBSYNC_URL_FILE=u"})
	if g.values["ct-file"].text != "" || g.values["url-file"].text != "u" {
		t.Errorf("a flag does not settle the file's variable: %v", g.values)
	}
}

func TestDBSyncAsksForHelp(t *testing.T) {
	for _, tt := range []struct {
		args, environ []string
		want          bool
	}{
		{nil, nil, true},
		{nil, []string{"DBSYNC_LOG_DIR=x"}, true},
		{nil, []string{"DBSYNC_C=x"}, false},
		{nil, []string{"DBSYNC_CT_FILE=x"}, false},
		{[]string{"-h"}, nil, true},
		{[]string{"-c", "x", "--help", "-nonsense"}, nil, true},
		{[]string{"-v"}, nil, false},
		{[]string{"-c", "-h"}, nil, false},
	} {
		if g, err := parseDBSync(tt.args, tt.environ); err != nil || g.asked != tt.want {
			t.Errorf("%v, %v: asked %t, %v", tt.args, tt.environ, g.asked, err)
		}
	}
}

// standard parses as the original client does, by package flag.
func standard(args []string) (map[string]string, bool) {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for _, o := range dbsyncOptions() {
		if o.onOff {
			fs.BoolFunc(o.name, "", func(string) error { return nil })
			fs.Lookup(o.name).Value = &standardFlag{onOff: true}
			continue
		}
		fs.Var(&standardFlag{}, o.name, "")
	}
	if err := fs.Parse(args); err != nil || fs.NArg() > 0 {
		return nil, false
	}
	values := make(map[string]string)
	fs.Visit(func(f *flag.Flag) {
		if text := f.Value.String(); text != "" {
			values[f.Name] = text
		}
	})
	return values, true
}

type standardFlag struct {
	text  string
	onOff bool
}

func (f *standardFlag) String() string     { return f.text }
func (f *standardFlag) Set(s string) error { f.text = s; return nil }
func (f *standardFlag) IsBoolFlag() bool   { return f.onOff }

func sameAsStandard(t interface{ Fatalf(string, ...any) }, args []string) {
	want, ok := standard(args)
	g, err := parseDBSync(args, nil)
	if err == nil && g.asked || slices.Contains(args, "--") {
		return // package flag knows help as an error, and an end of flags that means nothing here
	}
	got := make(map[string]string)
	for name, v := range g.values {
		if v.text != "" {
			got[name] = v.text
		}
	}
	switch {
	case err != nil && ok && !strings.Contains(err.Error(), "neither true nor false") && !strings.Contains(err.Error(), "from 0 to 5"):
		t.Fatalf("%q: refused with %v, and package flag takes it", args, err)
	case err == nil && (!ok || !maps.Equal(got, want)):
		t.Fatalf("%q: got %v, package flag gives %v, %t", args, got, want, ok)
	}
}

func TestParsesAsPackageFlagDoes(t *testing.T) {
	names := []string{"nonsense", ""}
	for _, o := range dbsyncOptions() {
		names = append(names, o.name)
	}
	rapid.Check(t, func(t *rapid.T) {
		arg := rapid.Custom(func(t *rapid.T) string {
			text := rapid.SampledFrom([]string{"-", "--", "", "---"}).Draw(t, "dashes") + rapid.SampledFrom(names).Draw(t, "name")
			if rapid.Bool().Draw(t, "valued") {
				text += "=" + rapid.SampledFrom([]string{"", "1", "a=b", "-c"}).Draw(t, "value")
			}
			return text
		})
		sameAsStandard(t, rapid.SliceOfN(arg, 0, 6).Draw(t, "args"))
	})
}

func FuzzParseDBSync(f *testing.F) {
	f.Add("-a\ndb_sync\n--c=X\n-v\n-ct\nhunter2")
	f.Add("-v=false\n-\n--=x\n---c\n-ctx=hunter2")
	f.Fuzz(func(t *testing.T, text string) {
		args := strings.Split(text, "\n")
		sameAsStandard(t, args)
		if _, err := parseDBSync(args, nil); err != nil {
			for _, arg := range args {
				if len(arg) > 30 && strings.Contains(err.Error(), arg) {
					t.Errorf("quotes %q: %v", arg, err)
				}
			}
		}
	})
}
