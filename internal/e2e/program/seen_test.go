package program

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What was seen is searched for what the program was given, wherever that comes from.
func TestLeaksAreFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seen")
	t.Setenv(seenVariable, file)
	key := "fm_" + strings.Repeat("0a", 20)
	Saw(t, "log of ferryman serve", "level=INFO msg=x store=postgres://u:swordfish-4711@h/d")
	Saw(t, "output of ferryman key create", key)
	Saw(t, "output of ferryman key list", "fm_0a0a0a0a")
	Saw(t, "answer to GET /", "the token is 700100200%3Asecret-token")
	Command(t, "ferryman", t.TempDir(), []string{"TELEGRAM_TOKEN=700100200:secret-token", "X_URL=postgres://u:swordfish-4711@h/d"},
		"contacts", "sync", "--token", "a campaign's token")
	Saw(t, "problems of ferryman contacts sync", "a campaign's token")
	Saw(t, "problems of ferryman contacts sync", "once more a campaign's token")
	Saw(t, "output of ferryman cron list", key)
	got, err := leaks(file)
	want := []string{
		"the password of X_URL (plain) is in the log of ferryman serve, at byte 36", "TELEGRAM_TOKEN (of a query) is in the answer to GET /, at byte 13",
		"the argument of --token (plain) is in the problems of ferryman contacts sync, at byte 0",
		"an API key (plain) is in the output of ferryman cron list, at byte 0",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCommandsAreNamed(t *testing.T) {
	for args, want := range map[string]string{
		"key create --app shop": "ferryman key create", "webhook add chat --url x": "ferryman webhook add", "serve --store secret": "ferryman serve",
		"push send 4711": "ferryman push send", "import /tmp/x": "ferryman import", "": "ferryman",
	} {
		if got := called(strings.Fields(args)); got != want {
			t.Errorf("%s: %s", args, got)
		}
	}
}
