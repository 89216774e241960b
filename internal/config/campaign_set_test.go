package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/fault"
)

func campaign(t *testing.T, in config.Input, texts map[string]string) config.Campaign {
	t.Helper()
	c := config.NewCampaign()
	for key, text := range texts {
		if err := c.Set(in, key, text); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	c.Complete()
	return c
}

// Whatever has a key can be set, and what was set passes the check.
func TestSetEveryField(t *testing.T) {
	in := input(t)
	texts := map[string]string{
		"id": "C1", "name": "one", "token": "t", "base_url": "https://api.example", "mode": "webhook", "target": "https://hook.example/",
		"start": "2018-02-01", "filter": "updates_only", "stage_prefix": " fc_ , qc_,fc_", "table_prefix": "x_", "workers": "3",
		"connections": "4", "per_call": "5", "max_fields": "6", "empty_as_null": "true", "legacy_values": "1", "history": "TRUE",
		"rate": "7", "burst": "8", "profile": "standard", "secret": signing, "every": "2m",
	}
	for _, f := range config.CampaignFields() {
		if texts[f.Key] == "" {
			t.Errorf("%s is not tested", f.Key)
		}
		if f.Help == "" || f.Expect == "" || f.Metavar == "" {
			t.Errorf("%+v is incomplete", f)
		}
	}
	c := campaign(t, in, texts)
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	if got := strings.Join(c.Prefixes, ","); got != "fc_,qc_" {
		t.Errorf("prefixes %s", got)
	}
	c.Secrets = nil
	if got := prints(c); c.Every != 2*time.Minute || strings.Contains(got, "hook.example") {
		t.Errorf("prints %s", got)
	}
	if err := c.Set(in, "nothing", "x"); err == nil {
		t.Error("sets what there is not")
	}
	for key := range texts {
		if err := c.Set(in, key, " "); err == nil || !strings.Contains(err.Error(), "it is empty; expected") {
			t.Errorf("%s takes nothing: %v", key, err)
		}
	}
}

func TestComplete(t *testing.T) {
	in := input(t)
	for id, want := range map[string]string{"MY_Campaign-1": "my_campaign-1", "123": "c-123", "_A": "c-_a", "": ""} {
		c := config.Campaign{ID: id}
		if c.Complete(); c.Name != want {
			t.Errorf("%s gets the name %s, want %s", id, c.Name, want)
		}
	}
	long := strings.Repeat("A", 80)
	for id, want := range map[string]string{"MY_Campaign-1": "my_campaign-1-webhook", "123": "c-123-webhook", "": "", long: strings.ToLower(long)} {
		c := config.Campaign{ID: id, Target: config.NewSecret("https://example.com")}
		if c.Complete(); c.Name != want {
			t.Errorf("%s posted gets the name %s, want %s", id, c.Name, want)
		}
	}
	for target, want := range map[string]string{
		"postgres://h/d": config.ModeSync, "sqlserver://u:p@h:1433/instance/db": config.ModeSync, "mssql://u:p@h?database=db": config.ModeSync,
		"sqlite:x.db": config.ModeSync, "HTTPS://example.com": config.ModeWebhook,
	} {
		c := campaign(t, in, map[string]string{"id": "C1", "token": "t", "target": target})
		if c.Mode != want || c.Repeats() != true {
			t.Errorf("%s gets mode %s, want %s", target, c.Mode, want)
		}
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestCheckTellsAll(t *testing.T) {
	c := config.NewCampaign()
	c.ID, c.Token, c.Target, c.Workers = "C1", config.NewSecret("two hunter2"), config.NewSecret("sqlite:hunter2"), -1
	c.Complete()
	err := c.Check()
	if fault.KindOf(err) != fault.Unconfigured {
		t.Fatalf("gives %v", err)
	}
	for _, want := range []string{"3 wrong settings", "campaign c1: token: it holds a blank", "campaign c1: target: its path is relative", "campaign c1: workers: it is out of range"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("does not tell %s, but\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("quotes a secret: %v", err)
	}
	if got := c.ShownTarget(); got != config.Mask {
		t.Errorf("shows %s", got)
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	in := input(t)
	write(t, in.Dir, "token", " one\n")
	c := config.NewCampaign()
	if err := c.SetFile(in, "token", "token"); err != nil || c.Token.Reveal() != "one" {
		t.Fatalf("reads %s, %v", c.Token.Reveal(), err)
	}
	write(t, in.Dir, "token", "two")
	if got, err := c.ReadToken(); err != nil || got.Reveal() != "two" {
		t.Errorf("reads %s, %v", got.Reveal(), err)
	}
	for _, bad := range []string{"", "hunter2 hunter2"} {
		write(t, in.Dir, "token", bad)
		if _, err := c.ReadToken(); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("gives %v", err)
		}
	}
	if err := os.Remove(filepath.Join(in.Dir, "token")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadToken(); err == nil {
		t.Error("reads what is gone")
	}
	if err := c.Set(in, "token", "three"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.ReadToken(); err != nil || got.Reveal() != "three" {
		t.Errorf("given in place of a file it is %v, %v", got.Reveal(), err)
	}
	if err := c.SetFile(in, "secret", "gone"); err == nil || c.TokenFile != "" {
		t.Errorf("gives %v", err)
	}
}

func TestCampaignWarnings(t *testing.T) {
	in := input(t)
	c := campaign(t, in, map[string]string{"id": "C1", "token": "t", "base_url": "http://api.example", "target": "http://hook.example/p4th"})
	if w := c.Warnings(); len(w) != 2 || !strings.Contains(w[0].Detail, "base_url is http") || !strings.Contains(w[1].Detail, "target is http") {
		t.Errorf("warns of %v", w)
	}
	c = campaign(t, in, map[string]string{"id": "C1", "token": "t", "base_url": "http://127.0.0.1:1", "target": "http://localhost/"})
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("warns of %v", w)
	}
}
