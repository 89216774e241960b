package program

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ferryman/internal/e2e/canary"
)

// seenVariable names the file in which stands what was seen of the program, and the
// secrets that it was given, each an entry in a line.
const seenVariable = "FERRYMAN_TEST_SEEN"

// entry is a text that was seen at a place, or a secret with a name.
type entry struct {
	Place  string `json:"place,omitempty"`
	Text   string `json:"text,omitempty"`
	Name   string `json:"name,omitempty"`
	Secret string `json:"secret,omitempty"`
}

// Saw has what the program wrote at a place searched for secrets when all tests have
// ended. The place is named without what it holds, such as "log of ferryman serve".
func Saw(t testing.TB, place, text string) {
	t.Helper()
	note(t, entry{Place: place, Text: text})
}

// Secret has a secret that the program is given, or gives, searched for in all that is
// seen of it, under a name. Those in the settings of a Command are known without.
func Secret(t testing.TB, name, secret string) {
	t.Helper()
	note(t, entry{Name: name, Secret: secret})
}

func note(t testing.TB, e entry) {
	t.Helper()
	line, err := json.Marshal(e) //nolint:gosec // a test's secrets, into a file that ends with it
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(os.Getenv(seenVariable), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600) //nolint:gosec // Main has named it
	if err != nil {
		t.Fatalf("is there a TestMain that calls program.Main? %v", err)
	}
	defer f.Close()                                        //nolint:errcheck // a write that fails is told
	if _, err := f.Write(append(line, '\n')); err != nil { // at once, so that others' do not come between
		t.Fatal(err)
	}
}

// secretSetting is what the names of settings are like that hold a secret.
var secretSetting = regexp.MustCompile(`(TOKEN|PASSWORD|SECRET|API_KEY|SIGNATURE)$`)

// secretsOf finds the secrets of a command's settings and arguments, and of its state.
func secretsOf(t testing.TB, state string, env, args []string) {
	t.Helper()
	for _, setting := range env {
		name, value, _ := strings.Cut(setting, "=")
		if secretSetting.MatchString(name) {
			Secret(t, name, value)
		}
		passwordOf(t, name, value)
	}
	for i, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		if !joined && i > 0 {
			name, value = args[i-1], arg
		}
		if name == "--token" {
			Secret(t, "the argument of "+name, value)
		}
		passwordOf(t, "the argument of "+name, value)
	}
	t.Cleanup(func() {
		for _, pattern := range []string{"*.secret", "secret", "*/*.secret"} {
			files, _ := filepath.Glob(filepath.Join(state, pattern)) // the pattern is well-formed
			for _, file := range files {
				if text, err := os.ReadFile(file); err == nil {
					Secret(t, "the secret of the store", strings.TrimSpace(string(text)))
				}
			}
		}
	})
}

func passwordOf(t testing.TB, name, value string) {
	t.Helper()
	if u, err := url.Parse(value); err == nil {
		if password, ok := u.User.Password(); ok {
			Secret(t, "the password of "+name, password)
		}
	}
}

// called names a command by its words, without flags and arguments, which may be secret.
func called(args []string) string {
	words := []string{"ferryman"}
	for _, arg := range args {
		if !regexp.MustCompile(`^[a-z-]+$`).MatchString(arg) || strings.HasPrefix(arg, "-") || len(words) == 3 {
			break
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// shown are the places at which a secret is shown because somebody asks for it.
var shown = []struct{ place, secret, why string }{
	{`^output of ferryman key create`, "an API key", "a new key is shown this once"},
	{`^output of ferryman key create`, "FERRYMAN_API_KEY", "and then the settings of a command hold it"},
	{`^output of ferryman webhook (add|rotate)`, "a signing secret", "a new secret is shown this once"},
}

// leaks searches what was seen for the secrets, and gives what should not be there, a
// line each.
func leaks(file string) ([]string, error) {
	var search canary.Search
	var found []string
	// All secrets first: a place may have been seen before one was known.
	err := entries(file, func(e entry) {
		if e.Secret != "" {
			search.Add(e.Name, e.Secret)
		}
	})
	if err != nil {
		return nil, err
	}
	told := map[string]bool{}
	err = entries(file, func(e entry) {
		for _, hit := range search.Find(e.Text) {
			line := fmt.Sprintf("%s (%s) is in the %s, at byte %d", hit.Name, hit.Form, e.Place, hit.Offset)
			if once := hit.Name + e.Place; !told[once] && !mayShow(e.Place, hit.Name) {
				told[once] = true
				found = append(found, line)
			}
		}
	})
	return found, err
}

func mayShow(place, secret string) bool {
	for _, s := range shown {
		if s.secret == secret && regexp.MustCompile(s.place).MatchString(place) {
			return true
		}
	}
	return false
}

func entries(file string, each func(entry)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		var e entry
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		if err != nil {
			return fmt.Errorf("read what was seen: %w", err)
		}
		each(e)
	}
}
