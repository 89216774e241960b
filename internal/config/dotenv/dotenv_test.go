package dotenv_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ferryman/internal/config/dotenv"
)

func TestParseValues(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"plain", `A=b`, `b`},
		{"empty", `A=`, ``},
		{"export", `export A=b`, `b`},
		{"export with tab", "\texport\tA=b", `b`},
		{"blanks around =", `A = b `, `b`},
		{"inner blanks stay", `A=b  c`, `b  c`},
		{"second = stays", `A=b=c==`, `b=c==`},
		{"comment", `A=b # c`, `b`},
		{"first comment counts", `A=b # c # d`, `b`},
		{"only a comment", `A= # c`, ``},
		{"# inside a word stays", `A=b#c`, `b#c`},
		{"# right after = stays", `A=#b`, `#b`},
		{"carriage return", "A=b\r", `b`},
		{"dollar", `A=pa$word${HOME}$$x`, `pa$word${HOME}$$x`},
		{"backslash", `A=a\nb\`, `a\nb\`},
		{"apostrophe inside", `A=it's`, `it's`},
		{"quote inside", `A=a"b"`, `a"b"`},
		{"single quotes are literal", `A='a # \n $b "c" \'`, `a # \n $b "c" \`},
		{"single quotes empty", `A=''`, ``},
		{"double quotes", `A=" b # c "`, ` b # c `},
		{"double quotes, dollar", `A="pa$word${HOME}"`, `pa$word${HOME}`},
		{"double quotes, escapes", `A="\n\r\t\\\"\$\` + "`" + `"`, "\n\r\t\\\"$`"},
		{"double quotes, unknown escape stays", `A="\d\x41\ü"`, `\d\x41\ü`},
		{"double quotes, quotes at the ends", `A="\"b\""`, `"b"`},
		{"comment after quotes", `A="b" # c`, `b`},
		{"blanks before quotes", `A =  'b'  `, `b`},
		{"several lines", "A=\"b\r\nc\nd\"", "b\nc\nd"},
		{"several lines, single", "A='b\n# c\nB=d'", "b\n# c\nB=d"},
		{"byte order mark", "\ufeffA=b", `b`},
		{"other scripts", `A=入れ`, `入れ`},
		{"comment lines and empty lines", "\n# x=y\n  # z\n\t\nA=b\n\n", `b`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, errs := dotenv.Parse([]byte(tt.line))
			if len(errs) != 0 {
				t.Fatalf("errors %v", errs)
			}
			if len(got) != 1 || got[0].Name != "A" || got[0].Value != tt.want {
				t.Errorf("got %+v, want A=%q", got, tt.want)
			}
		})
	}
}

func TestParseKeepsOrderLinesAndRepeats(t *testing.T) {
	got, errs := dotenv.Parse([]byte("B=1\n\nA='x\ny'\r\nB=2\nc.d-e=3"))
	want := []dotenv.Assignment{
		{Name: "B", Value: "1", Line: 1},
		{Name: "A", Value: "x\ny", Line: 3, Quoted: true},
		{Name: "B", Value: "2", Line: 5},
		{Name: "c.d-e", Value: "3", Line: 6},
	}
	if len(errs) != 0 || !slices.Equal(got, want) {
		t.Errorf("got %+v %v, want %+v", got, errs, want)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name, src, want string
		line, good      int
	}{
		{"no =", "A=1\nhunter2\nB=2", "no =", 2, 2},
		{"export without a value", "export A", "no =", 1, 0},
		{"no name", "=hunter2", "no name", 1, 0},
		{"name with a blank", "A B=hunter2", "no name", 1, 0},
		{"name starts with a digit", "1A=hunter2", "no name", 1, 0},
		{"name not ASCII", "Ä=hunter2", "no name", 1, 0},
		{"open double quote", "\nA=\"hunter2\nB=2", "closing quote", 2, 0},
		{"open single quote", "A='hunter2", "closing quote", 1, 0},
		{"escaped closing quote", `A="hunter2\"`, "closing quote", 1, 0},
		{"text after quote", `A="hunter"2`, "follows", 1, 0},
		{"text after quote and blank", `A="hunter" 2`, "follows", 1, 0},
		{"comment glued to quote", `A="hunter"#2`, "follows", 1, 0},
		{"quote swallows the next line", "A=\"hunter2\nB=\"2\"", "follows", 1, 0},
		{"NUL", "A=1\nB=\x00hunter2", "NUL", 2, 0},
		{"not UTF-8", "A=1\nB=\xffhunter2", "UTF-8", 2, 0},
		{"UTF-16", "\xff\xfeA\x00=\x00b\x00", "UTF-16", 1, 0},
		{"too large", "A=" + strings.Repeat("x", dotenv.MaxBytes), "larger", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, errs := dotenv.Parse([]byte(tt.src))
			if len(got) != tt.good || len(errs) != 1 {
				t.Fatalf("got %d assignments and errors %v, want %d and one error", len(got), errs, tt.good)
			}
			if errs[0].Line != tt.line || !strings.Contains(errs[0].Error(), tt.want) {
				t.Errorf("got %v, want line %d and %q", errs[0], tt.line, tt.want)
			}
			if strings.Contains(errs[0].Error(), "hunter") {
				t.Errorf("%v quotes the line", errs[0])
			}
		})
	}
}

func TestParseReportsAFewErrorsAndStops(t *testing.T) {
	_, errs := dotenv.Parse([]byte(strings.Repeat("no assignment\n", 50_000)))
	if len(errs) != 10 {
		t.Errorf("got %d errors, want 10", len(errs))
	}
}

// Every value can be written down: in double quotes with its specials escaped,
// and in single quotes as it stands unless it holds one.
func TestParseRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := strings.ReplaceAll(rapid.String().Draw(t, "value"), "\x00", "")
		lines := []string{"A=" + quote(value)}
		if !strings.Contains(value, "'") && !strings.Contains(value, "\r\n") {
			lines = append(lines, "A='"+value+"'")
		}
		for _, line := range lines {
			got, errs := dotenv.Parse([]byte("X=1\n" + line + "\nY=2\n"))
			if len(errs) != 0 || len(got) != 3 || got[1].Value != value {
				t.Fatalf("%q: got %+v %v", line, got, errs)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"A=b\n", "export A='b' # c", "A=\"b\\n\\\"c\"\nB=\"d\ne\"\r\n", "\ufeffA=b", "A", "=", "A='", "A=\"\\", "#", "A= #b\n\n", "\xff\xfe", "A=$B${C}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		found, errs := dotenv.Parse(src)
		lines := strings.Count(string(src), "\n") + 1
		last := 0
		var again strings.Builder
		for _, a := range found {
			if a.Line <= last || a.Line > lines {
				t.Fatalf("line %d after %d of %d", a.Line, last, lines)
			}
			last = a.Line
			fmt.Fprintf(&again, "%s=%s\n", a.Name, quote(a.Value))
		}
		for _, e := range errs {
			if e.Line < 0 || e.Line > lines || e.Reason == "" {
				t.Fatalf("error %+v in %d lines", e, lines)
			}
		}
		if again.Len() > dotenv.MaxBytes {
			return
		}
		same, errs := dotenv.Parse([]byte(again.String()))
		if len(errs) != 0 || !slices.EqualFunc(same, found, func(a, b dotenv.Assignment) bool {
			return a.Name == b.Name && a.Value == b.Value
		}) {
			t.Fatalf("read back %+v %v, want %+v", same, errs, found)
		}
	})
}

func quote(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(value) + `"`
}
