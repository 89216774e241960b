package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestManPages looks whether each command has its page, and each page what man(1) looks
// for.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	root := newRoot()
	root.SetArgs([]string{"man", dir})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"dbsync2"}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		want = append(want, strings.ReplaceAll(c.CommandPath(), " ", "-"))
		for _, child := range c.Commands() {
			if !child.Hidden && child.Name() != "help" {
				walk(child)
			}
		}
	}
	walk(root)
	for _, name := range want {
		page, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range []string{".TH \"", ".SH NAME\n", ".SH DESCRIPTION\n", ".SH SEE ALSO\n"} {
			if !strings.Contains(string(page), part) {
				t.Errorf("%s has no %q", name, part)
			}
		}
	}
	if pages, err := os.ReadDir(dir); err != nil || len(pages) != len(want) {
		t.Errorf("%d pages of %d commands, %v", len(pages), len(want), err)
	}
}

func TestRoff(t *testing.T) {
	var p roff
	p.text("It's a \"back\\slash\".\n.dots\n\n  --indented\n  lines\nand on")
	p.item("--name", "text", "what `it` is")
	const want = "It\\(aqs a \\(dqback\\eslash\\(dq.\n\\&.dots\n.PP\n.nf\n  \\-\\-indented\n  lines\n.fi\nand on\n" +
		".TP\n\\fB\\-\\-name\\fR \\fItext\\fR\nwhat \\(gait\\(ga is\n"
	if got := p.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
