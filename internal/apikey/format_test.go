package apikey_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

func form() *regexp.Regexp {
	return regexp.MustCompile(`^fm_([0-9a-hjkmnp-tv-z]{8})[0-9a-hjkmnp-tv-z]{32}$`)
}

func TestGeneratedKeysHaveTheForm(t *testing.T) {
	seen := make(map[string]bool)
	letters := make(map[rune]bool)
	for range 1000 {
		key := apikey.Generate()
		if !form().MatchString(key) || seen[key] {
			t.Fatal("a key is malformed or not new")
		}
		seen[key] = true
		for _, r := range key[3:] {
			letters[r] = true
		}
	}
	if len(letters) != 32 {
		t.Errorf("%d of 32 letters are used", len(letters))
	}
}

// Whatever is presented, it has a prefix if, and only if, it has the form of a key.
func TestPrefixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(form().String()),
			rapid.Map(rapid.StringMatching(`.{0,3}[0-9a-z]{38,42}`), func(s string) string { return "fm_" + s }),
			rapid.String(),
			rapid.Custom(func(t *rapid.T) string { // a key with one character that is another
				key := []rune(apikey.Generate())
				key[rapid.IntRange(0, len(key)-1).Draw(t, "at")] = rapid.Rune().Draw(t, "rune")
				return string(key)
			}),
		).Draw(t, "text")
		prefix, ok := apikey.PrefixOf(text)
		want := form().FindStringSubmatch(text)
		if ok != (want != nil) || ok && prefix != want[1] {
			t.Fatalf("%q: prefix %q, %v", text, prefix, ok)
		}
		if !ok {
			return
		}
		for _, given := range []string{text, "fm_" + prefix, prefix} {
			if got, ok := apikey.PrefixIn(given); !ok || got != prefix {
				t.Fatalf("%q: prefix %q, %v", given, got, ok)
			}
		}
	})
}

func TestNoPrefixes(t *testing.T) {
	for _, text := range []string{"", "fm_", "fm_fm_abcd", "abcdefg", "abcdefghj", "ABCDEFGH", "abcdefgu", "fm_abcdefgh ", "abcdefg%"} {
		if prefix, ok := apikey.PrefixIn(text); ok {
			t.Errorf("%q has the prefix %q", text, prefix)
		}
	}
}

func FuzzAuthenticate(f *testing.F) {
	d := dbtest.Open(f, "sqlite://"+f.TempDir()+"/ferryman.db", db.Options{})
	k := open(f, d, secret)
	_, key := create(f, k, apikey.BuiltIn, apikey.Admin)
	for _, seed := range []string{"", "fm_", key[:11], key[:len(key)-1], key + "0", strings.ToUpper(key), " " + key, key + "\x00", "fm_\xff" + key[4:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, presented string) {
		if id, err := k.Authenticate(t.Context(), presented); !errors.Is(err, apikey.ErrUnauthorized) || id != (apikey.Identity{}) {
			t.Fatalf("%q: %+v, %v", presented, id, err)
		}
	})
}
