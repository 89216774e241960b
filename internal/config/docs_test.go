package config

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite the golden files and the table in docs/configuration.md")

func TestUsageGolden(t *testing.T) {
	golden(t, "testdata/usage.golden", Usage())
}

func TestFlagsGolden(t *testing.T) {
	fs := pflag.NewFlagSet("ferryman", pflag.ContinueOnError)
	AddFlags(fs)
	golden(t, "testdata/flags.golden", fs.FlagUsages())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run the test with -update and look at the change. Got\n%s", path, got)
	}
}

// The reference for people holds the tables, each between two lines.
const (
	docs   = "../../docs/configuration.md"
	made   = ": made from the table in internal/config by go test ./internal/config -update -->\n"
	marked = "<!-- end of "
)

func TestDocsGolden(t *testing.T) {
	page, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	want := string(page)
	for name, table := range map[string]string{"settings": markdown(), "campaigns": campaignsMarkdown()} {
		begin, end := "<!-- "+name+made, marked+name+" -->\n"
		head, rest, ok := strings.Cut(want, begin)
		_, tail, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has lost the lines around its table of %s", docs, name)
		}
		want = head + begin + table + end + tail
	}
	golden(t, docs, want)
}

func campaignsMarkdown() string {
	var b strings.Builder
	b.WriteString("\n| key | meaning | value | unit | default | example |\n|---|---|---|---|---|---|\n")
	c := NewCampaign()
	for _, f := range c.fields(absolute) {
		deflt := f.without
		if text := f.text(); deflt == "" && text != "" {
			deflt = "`" + text + "`"
		}
		example, _ := exampleOf(campaignExamples, ": ", f.keys())
		b.WriteString("| `" + strings.Join(f.keys(), "` or `") + "` | " + cell(f.help) + " | " + cell(f.expect) + " | " + f.unit() + " | " +
			orNone(deflt) + " | `" + example + "` |\n")
	}
	return b.String() + "\n"
}

// orNone tells a setting without a default from one that nobody described.
func orNone(deflt string) string {
	if deflt == "" {
		return "none"
	}
	return deflt
}

// unit is what the numbers of k count, and "none" where it takes no numbers.
func (k kind) unit() string {
	switch {
	case strings.HasPrefix(k.expect, "a whole number of "):
		return k.metavar
	case k.metavar == "rate":
		return "messages a second (s), minute (min), hour (h) or day (d)"
	case k.metavar == "duration":
		return "s, m or h"
	default:
		return "none"
	}
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func markdown() string {
	var b strings.Builder
	var section Section
	for _, s := range rowsOf(nil) {
		if s.section != section {
			section = s.section
			b.WriteString("\n### " + string(section) + "\n\n| variable | flag | meaning | value | unit | default | example |\n|---|---|---|---|---|---|---|\n")
		}
		flag := ""
		if s.flag != "" {
			flag = "`--" + s.flag + "`"
		}
		deflt := s.deflt
		if deflt != "" && s.derive == nil {
			deflt = "`" + deflt + "`"
		}
		secret := ""
		if s.secret {
			secret = " (secret)"
		}
		names := "`" + strings.Join(s.names(), "` or `") + "`"
		example, _ := exampleOf(settingExamples, "=", s.names())
		b.WriteString("| " + names + " | " + flag + " | " + cell(s.help) + secret + " | " + cell(s.expect) + " | " + s.unit() + " | " +
			orNone(deflt) + " | `" + cell(example) + "` |\n")
	}
	return b.String() + "\n"
}

func TestTable(t *testing.T) {
	rows := rowsOf(nil)
	seen := make(map[string]bool)
	variable := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)+$`)
	for _, s := range rows {
		for _, name := range append(s.names(), "--"+s.flag) {
			if name != "--" && seen[name] {
				t.Errorf("%s stands twice", name)
			}
			seen[name] = true
		}
		if !variable.MatchString(s.name) || s.section == "" || s.help == "" || s.expect == "" || s.metavar == "" || s.parse == nil {
			t.Errorf("%s is incomplete", s.name)
		}
		if s.secret && (s.flag != "" || s.deflt != "" || !s.inFile) {
			t.Errorf("%s is secret, so it has no flag and no default, and may come from a file", s.name)
		}
	}
	if !slices.IsSortedFunc(rows, func(a, b setting) int {
		order := []Section{FileSection, ServerSection, StoreSection, WarehouseSection, OutboxSection, PushSection, ContactsSection, ExecSection, LogSection, TracesSection}
		return slices.Index(order, a.section) - slices.Index(order, b.section)
	}) {
		t.Error("a section is torn apart")
	}
}

func TestSectionsSelectFlags(t *testing.T) {
	fs := pflag.NewFlagSet("migrate", pflag.ContinueOnError)
	AddFlags(fs, StoreSection, LogSection)
	var got []string
	fs.VisitAll(func(f *pflag.Flag) { got = append(got, f.Name) })
	if want := []string{"log-format", "log-level", "state-dir", "store"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if u := Usage(LogSection); !strings.Contains(u, "FERRYMAN_LOG_LEVEL") || strings.Contains(u, "API_TOKEN") {
		t.Errorf("got\n%s", u)
	}
}
