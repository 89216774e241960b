package endpoint_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"ferryman/internal/endpoint"
	"ferryman/internal/fault"
)

func TestParseSecret(t *testing.T) {
	text := func(n int) string {
		return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, n))
	}
	for _, n := range []int{24, 25, 26, 32, 64} {
		for _, form := range []string{text(n), " " + text(n) + "\n", strings.TrimRight(text(n), "=")} {
			s, err := endpoint.ParseSecret(form)
			if err != nil || len(s.Key()) != n || s.Reveal() != text(n) {
				t.Errorf("%d bytes as %q: %v", n, form, err)
			}
		}
	}
	for _, wrong := range []string{
		"", "whsec_", text(23), text(65), strings.TrimPrefix(text(32), "whsec_"), strings.ToUpper(text(32)), "whsec_*" + text(32)[6:],
		text(24) + "\n" + text(24), text(32)[:20] + "\n" + text(32)[20:], strings.ReplaceAll(text(32), "+", "-"), text(32) + " x",
	} {
		s, err := endpoint.ParseSecret(wrong)
		if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != "webhook_secret" || !s.Empty() {
			t.Errorf("%q: %v", wrong, err)
		}
		if body := strings.TrimPrefix(wrong, "whsec_"); len(body) > 20 && strings.Contains(err.Error(), body[:20]) {
			t.Errorf("quoted in %v", err)
		}
	}
	if a, b := endpoint.NewSecret(), endpoint.NewSecret(); a == b || len(a.Key()) != 32 {
		t.Error("secrets are made alike")
	}
}

func TestParseAddress(t *testing.T) {
	for _, good := range []string{
		"https://example.com", "http://localhost:9000/x", "https://user:pw@example.com/hook?x=y", "http://[::1]:8080/", "https://пример.рф/ü",
	} {
		if a, err := endpoint.ParseAddress(good); err != nil || a.Reveal() != good {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, wrong := range []string{
		"", "example.com", "//example.com", "ftp://example.com", "https://", "https:///x", "https://:443", "https://a b.com", "https://x\n",
		"https://example.com/#part", "https://example.com:0", "https://example.com:65536", "https://example.com:http", "mailto:pass-word@example.com",
		"https://user:pass-word@exa mple.com", "https://example.com/" + strings.Repeat("x", 2048),
	} {
		_, err := endpoint.ParseAddress(wrong)
		if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != "webhook_url" || strings.Contains(fmt.Sprint(err), "pass-word") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	w := endpoint.Webhook{Name: "shop", URL: parse(t, "https://user:pass-word@example.com/hook/of-team?token=abc"), Secret: endpoint.NewSecret()}
	w.OldSecret = w.Secret
	var b bytes.Buffer
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		fmt.Fprintf(&b, format+format+format, w, w.Secret, w.URL)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "url", w.URL, "secret", w.Secret, "all", w)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "url", w.URL, "secret", w.Secret, "all", w)
	if err := json.NewEncoder(&b).Encode(w); err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{"user", "pass-word", "token", "abc", "of-team", w.Secret.Reveal()[6:], string(w.Secret.Key())} {
		if strings.Contains(b.String(), hidden) {
			t.Errorf("%q is printed in %s", hidden, b.String())
		}
	}
	if !strings.Contains(b.String(), "https://example.com/***") {
		t.Error("the address is not printed")
	}
}

func TestWhatIsShownOfAnAddress(t *testing.T) {
	for text, want := range map[string]string{
		"https://example.com": "https://example.com", "http://[::1]:8080/": "http://[::1]:8080/", "https://example.com/?a=b": "https://example.com/",
		"https://example.com:8443/a/b": "https://example.com:8443/***", "https://example.com/%2F": "https://example.com/***",
		"https://key@example.com": "https://example.com", "https://example.com//": "https://example.com/***",
	} {
		if got := parse(t, text).String(); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	if got := (endpoint.Address{}).String(); got != "" {
		t.Errorf("none is shown as %q", got)
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("https://user:pw@example.com:443/hook?x=y")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := endpoint.ParseAddress(text)
		if err != nil {
			return
		}
		u, err := url.Parse(a.String())
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/" && u.Path != "/***" {
			t.Errorf("%q is shown as %q: %v", text, a, err)
		}
	})
}
