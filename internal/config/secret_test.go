package config_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/config"
)

// prints is everything that a careless hand could make of v.
func prints(v any) string {
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	fmt.Fprintf(&b, "%v %+v %#v\n", []any{v}, struct{ hidden any }{v}, map[string]any{"x": v})
	j, _ := json.Marshal(v)
	b.Write(j)
	x, _ := xml.Marshal(v)
	b.Write(x)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	return b.String()
}

func TestSecretPrintsMasked(t *testing.T) {
	s := config.NewSecret("hunter2")
	type holder struct {
		Open   config.Secret
		hidden config.Secret
	}
	for _, v := range []any{s, &s, holder{s, s}, &holder{s, s}} {
		got := prints(v)
		if strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) || !strings.Contains(got, config.Mask) {
			t.Errorf("%T prints\n%s", v, got)
		}
	}
	if s.Reveal() != "hunter2" || s.Empty() {
		t.Error("does not give its text")
	}
	if none := config.NewSecret(""); none != (config.Secret{}) || !none.Empty() || none.Reveal() != "" || fmt.Sprint(none) != "" {
		t.Errorf("empty secret prints %q", fmt.Sprint(none))
	}
}

func TestDatabasePrintsMasked(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"postgres://u:p@h:5432/db?sslmode=disable", "postgres://u:********@h:5432/db?sslmode=disable"},
		{"postgresql://u@h/db", "postgresql://u@h/db"},
		{"postgres://u:p@[::1]:5432/db", "postgres://u:********@[::1]:5432/db"},
		{"postgres://u@:5432/db", "postgres://u@:5432/db"},
		{"POSTGRES://u:@h/db", "postgres://u:********@h/db"},
		{"postgres://u:p%40%2F@h1:1,h2:2/db", "postgres://u:********@h1:1,h2:2/db"},
		{"postgres://u:p@q@h/db", "postgres://u:********@h/db"},
		{"postgres:///db?host=/run/pg&user=u&password=p", "postgres:///db?host=/run/pg&user=u&********"},
		{"postgres://h/db?PassWord=p;SSLPassword=q&sslkey=k", "postgres://h/db?********&********&********"},
		{"postgres://h/db?p%61ssword=p&hunter2", "postgres://h/db?********&********"},
		{"mysql://u:p@h/db?charset=utf8mb4&tls=true", "mysql://u:********@h/db?charset=utf8mb4&tls=true"},
		{"sqlite:///a%20b/c%3F@.db", "sqlite:///a%20b/c%3F@.db"},
	}
	for _, tt := range tests {
		c, _ := load(t, input(t, "WAREHOUSE_DATABASE_URL="+tt.raw))
		d := c.Warehouse.Database
		if d.String() != tt.want || d.Reveal() != tt.raw || shown(t, c, "WAREHOUSE_DATABASE_URL").Value != tt.want {
			t.Errorf("%s: shows %s, reveals %s, want %s", tt.raw, d, d.Reveal(), tt.want)
		}
	}
}

// Wherever a secret is put, rightly or wrongly, and however wrong it is, nothing
// that Load gives shows it.
func TestNoSecretIsEverShown(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		const mark = "hunter2"
		junk := rapid.StringOfN(rapid.SampledFrom([]rune("ab12 @:/?#%&=;.$'\"\\[]é\t\n")), 0, 6, -1)
		secret := func(name string) string { return junk.Draw(t, name+" before") + mark + junk.Draw(t, name+" after") }
		// A password in a URL, escaped as it should be or not.
		inURL := func(name, scheme string) string {
			s := secret(name)
			if rapid.Bool().Draw(t, name+" escaped") {
				s = url.QueryEscape(s)
			}
			format := rapid.SampledFrom([]string{"%s://u:%s@h/db", "%s://u:%s@h:1/db?sslmode=x", "%s://h/db?user=u&password=%s", "%s://h/db?sslpassword=%s"})
			return fmt.Sprintf(format.Draw(t, name+" format"), scheme, s)
		}
		values := map[string]string{
			"API_TOKEN": secret("token"), "FERRYMAN_API_KEY": secret("key"), "FERRYMAN_SECRET": secret("secret") + strings.Repeat("x", 32), "API_PASSWORD": secret("password"),
			"FERRYMAN_STORE_URL": inURL("store", "postgres"), "WAREHOUSE_DATABASE_URL": inURL("target", "mysql"),
			"API_BASE_URL":               "https://u:" + secret("base") + "@h/api",
			"INTERVAL_SCHEDULER_SECONDS": secret("interval"), "FERRYMAN_LISTEN": secret("listen") + "@:1",
			"FERRYMAN_LOG_LEVEL": secret("level"), "FERRYMAN_INSECURE_OPEN": secret("open"), "FERRYMAN_LISEN": secret("misspelt"),
		}
		in := config.Input{Dir: dir, Environ: []string{"HOME=/home/ann"}}
		var file strings.Builder
		for _, name := range slices.Sorted(maps.Keys(values)) {
			v := values[name]
			switch rapid.IntRange(0, 3).Draw(t, name+" in") {
			case 0:
				in.Environ = append(in.Environ, name+"="+v)
			case 1: // written as it should be, for a URL that is cut short can mean anything
				file.WriteString(name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + "\"\n")
			case 2:
				in.Environ = append(in.Environ, name+"_FILE="+v)
			}
		}
		for _, line := range rapid.SliceOfN(rapid.SampledFrom([]string{"", "X=", "X='", "API_TOKEN=", "API_PASSWORD=\"", "# "}), 0, 3).Draw(t, "lines") {
			file.WriteString(line + secret("line") + "\n")
		}
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(file.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		c, warnings, err := config.Load(in)
		out := prints(c) + prints(&c) + prints(c.Show()) + prints(warnings) + prints(err)
		if strings.Contains(out, mark) || strings.Contains(out, fmt.Sprintf("%x", mark)) {
			i := strings.Index(out, mark)
			t.Fatalf("shown in …%s…\n%s", out[max(0, i-200):min(len(out), i+200)], file.String())
		}
	})
}
