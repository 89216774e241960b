package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// roff is a page of the manual in the language of man(7).
type roff struct{ bytes.Buffer }

// title begins the page.
func (p *roff) title(name, short string) {
	day, _, _ := strings.Cut(date, "T")
	p.WriteString(`.TH "` + roffText(strings.ToUpper(name)) + `" 1 "` + day + `" "` + roffText("ferryman "+version) + "\" \"Ferryman\"\n")
	p.section("NAME")
	fmt.Fprintf(p, "%s \\- %s\n", roffText(name), roffText(short))
}

func (p *roff) section(name string) { fmt.Fprintf(p, ".SH %s\n", roffText(name)) }

func (p *roff) bold(line string) { fmt.Fprintf(p, "\\fB%s\\fR\n", roffText(line)) }

// text writes paragraphs, which are filled, and indented lines, which are left as
// they are.
func (p *roff) text(s string) {
	literal := false
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\n")
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		switch {
		case indented && !literal:
			p.WriteString(".nf\n")
		case !indented && literal:
			p.WriteString(".fi\n")
		}
		literal = indented
		if line == "" {
			p.WriteString(".PP\n")
			continue
		}
		p.WriteString(roffLine(line) + "\n")
	}
	if literal {
		p.WriteString(".fi\n")
	}
}

// literal writes lines as they are.
func (p *roff) literal(s string) {
	p.WriteString(".nf\n")
	for line := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		p.WriteString(roffLine(line) + "\n")
	}
	p.WriteString(".fi\n")
}

// item writes an entry of a list: a term, what stands for its value, and what it is.
func (p *roff) item(term, value, what string) {
	fmt.Fprintf(p, ".TP\n\\fB%s\\fR", roffText(term))
	if value != "" {
		fmt.Fprintf(p, " \\fI%s\\fR", roffText(value))
	}
	p.WriteString("\n" + roffLine(what) + "\n")
}

func (p *roff) flag(f *pflag.Flag) {
	if f.Hidden {
		return
	}
	term := "--" + f.Name
	if f.Shorthand != "" {
		term = "-" + f.Shorthand + ", " + term
	}
	value, what := pflag.UnquoteUsage(f)
	if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "[]" && !strings.Contains(what, "(default ") {
		what += " (default " + d + ")"
	}
	p.item(term, value, what)
}

func (p *roff) references(pages []string) {
	for i, page := range pages {
		comma := ","
		if i == len(pages)-1 {
			comma = ""
		}
		fmt.Fprintf(p, ".BR %s (1)%s\n", roffText(page), comma)
	}
}

// roffText writes text that means itself. Hyphens are the ones that can be typed.
func roffText(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, `"`, `\(dq`).Replace(s)
}

// roffLine writes a line of it, none of which is taken for a request.
func roffLine(s string) string {
	s = roffText(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
