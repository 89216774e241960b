package main

import (
	"bytes"
	"io"
	"os/user"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/audit"
)

// at runs commands on a store of their own, and gives what they print.
func at(t *testing.T) (run func(args ...string) string, entries func() []audit.Entry) {
	t.Helper()
	t.Setenv("FERRYMAN_STATE_DIR", t.TempDir())
	t.Chdir(t.TempDir()) // there is no .env
	run = func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		root := newRoot()
		root.SetArgs(args)
		root.SetOut(&out)
		root.SetErr(io.Discard)
		_ = root.ExecuteContext(t.Context()) // some are refused
		return strings.TrimSpace(out.String())
	}
	entries = func() (all []audit.Entry) {
		t.Helper()
		cmd := &cobra.Command{}
		addAdminFlags(cmd)
		cmd.SetContext(t.Context())
		c, log, err := adminSettings(cmd)
		if err != nil {
			t.Fatal(err)
		}
		a, err := app.OpenAdmin(t.Context(), app.Options{Config: c, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if all, err = a.Audit.List(t.Context(), 0, 1000); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(all)
		return all
	}
	return run, entries
}

func TestWhatCommandsDoIsNoted(t *testing.T) {
	run, entries := at(t)
	run("app", "add", "shop", "--json")
	id := run("cron", "add", "nightly", "--app", "shop", "--schedule", "every 1h")
	cron := "cron " + id + " shop/nightly"
	run("cron", "edit", "nightly", "--slug", "daily")
	run("cron", "edit", id, "--slug", "nightly", "--store", "sqlite://"+t.TempDir()+"/other.db") // where there is none
	run("cron", "edit", "daily", "--slug", "nightly")
	run("cron", "pause", "nightly", "--until", "2h")
	run("cron", "resume", "nightly", "--app", "shop")
	run("cron", "mute", "nightly")
	run("cron", "list")
	run("cron", "pause", "nothing")
	run("cron", "release", "nightly")
	run("cron", "rm", "nightly")
	key := run("key", "create", "--app", "shop")
	run("key", "revoke", key)
	run("key", "revoke", "--all", "--app", "shop")
	window := run("maintenance", "add", "--all", "--for", "30m", "--reason", "network")
	run("maintenance", "rm", window)
	run("outbox", "pause", "telegram", "--reason", "it moves")
	run("outbox", "replay", "--all")
	secret := run("webhook", "add", "orders", "--url", "https://hooks.example/T000/s3cr3t")
	run("webhook", "rm", "orders")
	run("alert", "list")
	run("app", "rm", "shop", "--force")

	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries() {
		line := e.Action + "|" + e.Target
		if e.Detail != "" {
			line += "|" + e.Detail
		}
		got = append(got, line)
		if e.Who != "cli "+u.Username || e.App != "" || e.Remote != "" {
			t.Errorf("%s by %q of %q from %q", line, e.Who, e.App, e.Remote)
		}
		for _, hidden := range []string{key, secret, "s3cr3t"} {
			if strings.Contains(line, hidden) {
				t.Errorf("%s tells a secret", line)
			}
		}
	}
	want := []string{
		"app.add|app shop", "cron.create|" + cron + "|--app=shop --schedule=every 1h", "cron.edit|" + cron + "|--slug=daily",
		"cron.edit|cron " + id + " shop/daily|--slug=nightly",
		"cron.pause|" + cron + "|--until=2h", "cron.resume|" + cron + "|--app=shop", "cron.mute|" + cron, "cron.release|" + cron + "|0 runs", "cron.delete|" + cron,
		"key.create|app shop|--app=shop", "key.revoke|key fm_" + key[3:11], "key.revoke|keys|--all=true --app=shop",
		"maintenance.add|maintenance|--all=true --for=30m --reason=network", "maintenance.remove|maintenance " + window,
		"channel.pause|channel telegram|--reason=it moves", "outbox.replay|outbox|--all=true",
		"webhook.add|webhook orders", "webhook.remove|webhook orders", "app.remove|app shop|--force=true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("noted are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Commands on the store are noted unless they only look, or send a test.
func TestEveryCommandThatChangesTheStoreIsNoted(t *testing.T) {
	looks := []string{
		"app list", "key list", "cron list", "cron show", "cron runs", "cron logs", "cron events", "cron exec", "cron spool", "cron rejected",
		"maintenance list", "alert list", "alert test", "outbox stats", "outbox list", "outbox show", "webhook list", "webhook show", "webhook test",
	}
	root := newRoot()
	seen := 0
	for _, name := range []string{"app", "key", "cron", "maintenance", "alert", "outbox", "webhook"} {
		parent, _, err := root.Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		for _, cmd := range parent.Commands() {
			path := name + " " + cmd.Name()
			seen++
			if _, ok := actOf(cmd); ok == slices.Contains(looks, path) {
				t.Errorf("%s: noted %t", path, ok)
			}
		}
	}
	if seen < 35 {
		t.Errorf("%d commands", seen)
	}
}
