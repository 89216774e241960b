package docs

import (
	"fmt"
	"regexp"
	"strings"
)

// block is a fenced block of shell commands in a document, and what the document
// says of it.
type block struct {
	first, last int    // lines of its fences, from 1
	skipped     string // why it is not run; "" if it is
	fails       bool   // its last command does, and the document means it to
	shown       string // what the document shows as its output
	shows       bool   // whether it shows any
	shownAt     int    // the line where that begins
}

// Right before a block may stand a comment that no reader sees.
var (
	notRun = regexp.MustCompile(`^<!-- not run: (.+) -->$`)
	fails  = regexp.MustCompile(`^<!-- fails: (.+) -->$`)
	remark = regexp.MustCompile(`^<!-- *(not run|fails)\b`)
)

// blocksOf finds the blocks of commands in a document: those fenced as sh. A block
// fenced as text right after one shows its output.
func blocksOf(lines []string) ([]block, error) {
	var all []block
	follows := false // nothing but blank lines since the last block of commands
	for i := 0; i < len(lines); i++ {
		kind, fenced := strings.CutPrefix(lines[i], "```")
		if !fenced {
			if strings.HasPrefix(strings.TrimSpace(lines[i]), "```") {
				return nil, fmt.Errorf("line %d: a fence begins where its line begins", i+1)
			}
			if remark.MatchString(lines[i]) && (i+1 == len(lines) || lines[i+1] != "```sh") {
				return nil, fmt.Errorf("line %d: no block of sh comes right after this comment", i+1)
			}
			follows = follows && lines[i] == ""
			continue
		}
		end := i + 1
		for end < len(lines) && lines[end] != "```" {
			end++
		}
		if end == len(lines) {
			return nil, fmt.Errorf("line %d: the block has no end", i+1)
		}
		switch {
		case kind == "sh":
			b := block{first: i + 1, last: end + 1}
			if i > 0 {
				if err := b.remarked(lines[i-1]); err != nil {
					return nil, fmt.Errorf("line %d: %w", i, err)
				}
			}
			all = append(all, b)
		case kind == "text" && follows:
			b := &all[len(all)-1]
			b.shows, b.shown, b.shownAt = true, strings.Join(lines[i+1:end], "\n"), i+2
		case kind == "bash" || kind == "shell" || kind == "console":
			return nil, fmt.Errorf("line %d: commands stand in blocks of sh, what they print in blocks of text after them", i+1)
		}
		follows = kind == "sh"
		i = end
	}
	return all, nil
}

func (b *block) remarked(line string) error {
	if m := notRun.FindStringSubmatch(line); m != nil {
		b.skipped = m[1]
		return nil
	}
	if fails.MatchString(line) {
		b.fails = true
		return nil
	}
	if remark.MatchString(line) {
		return fmt.Errorf("%q gives no reason", line)
	}
	return nil
}

// scriptOf makes one script of a document, whose lines are the document's: what
// bash says of line 7 it says of line 7. What a block prints goes to a file of its own
// in the folder $DOCS_OUT, named after the block's first line.
func scriptOf(lines []string, blocks []block) string {
	script := make([]string, len(lines))
	script[0] = `set -Eeuo pipefail; trap 'echo "$LINENO" >"$DOCS_OUT/failed"' ERR`
	for _, b := range blocks {
		if b.skipped != "" {
			continue
		}
		begin, end := fmt.Sprintf(`exec >"$DOCS_OUT/%d" 2>&1`, b.first), ""
		if b.fails {
			begin, end = begin+"; if (", fmt.Sprintf(`); then echo %d >"$DOCS_OUT/failed"; exit 1; fi`, b.first)
		}
		copy(script[b.first:], lines[b.first:b.last-1])
		script[b.first-1] = strings.TrimPrefix(script[b.first-1]+"; "+begin, "; ")
		script[b.last-1] = end
	}
	return strings.Join(script, "\n") + "\n"
}

// matches tells whether a command printed what a document shows, in which … stands
// for anything within a line and, alone on a line, for any lines.
func matches(shown, printed string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for _, line := range trimmed(shown) {
		if strings.TrimSpace(line) == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		for i, part := range strings.Split(line, "…") {
			if i > 0 {
				pattern.WriteString(`.*`)
			}
			pattern.WriteString(regexp.QuoteMeta(part))
		}
		pattern.WriteString(`\n`)
	}
	pattern.WriteString(`\z`)
	var text strings.Builder
	for _, line := range trimmed(printed) {
		text.WriteString(line + "\n")
	}
	return regexp.MustCompile(pattern.String()).MatchString(text.String())
}

// trimmed splits a text, without blanks at the ends of lines and lines at its end.
func trimmed(text string) []string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
