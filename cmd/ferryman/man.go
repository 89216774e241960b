package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newMan is for who makes packages. Their pages bear the date of the commit, so that
// they come out the same each time.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual's pages", Hidden: true,
		Long:    "Write a page of the manual for each command, and one for dbsync2, into the folder DIR.",
		Example: "  ferryman man /usr/local/share/man/man1",
		Args:    oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // everybody may read a manual
				return err
			}
			pages := map[string][]byte{}
			addManPages(pages, cmd.Root())
			page, err := dbsyncManPage()
			if err != nil {
				return err
			}
			pages["dbsync2"] = page
			for name, page := range pages {
				if err := os.WriteFile(filepath.Join(args[0], name+".1"), page, 0o644); err != nil { //nolint:gosec // as above
					return err
				}
			}
			return nil
		},
	}
}

// addManPages adds the pages of c and of the commands below it, by their names.
func addManPages(pages map[string][]byte, c *cobra.Command) {
	pages[manName(c)] = manPage(c)
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			addManPages(pages, child)
		}
	}
}

// manName is the name by which man(1) finds the page of a command, also as the words
// of the command.
func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func manPage(c *cobra.Command) []byte {
	var p roff
	p.title(manName(c), c.Short)
	p.section("SYNOPSIS")
	p.bold(c.UseLine())
	p.section("DESCRIPTION")
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	p.text(long)
	if c.HasAvailableSubCommands() {
		p.section("COMMANDS")
		for _, child := range c.Commands() {
			if child.IsAvailableCommand() {
				p.item(child.Name(), "", child.Short)
			}
		}
	}
	if c.Flags().HasAvailableFlags() {
		p.section("OPTIONS")
		c.Flags().VisitAll(func(f *pflag.Flag) { p.flag(f) })
	}
	if c.Example != "" {
		p.section("EXAMPLES")
		p.literal(c.Example)
	}
	p.seeAlso(c)
	return p.Bytes()
}

// seeAlso names the pages one level up and down.
func (p *roff) seeAlso(c *cobra.Command) {
	var near []string
	if c.HasParent() {
		near = append(near, manName(c.Parent()))
	} else {
		near = append(near, "dbsync2")
	}
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			near = append(near, manName(child))
		}
	}
	p.section("SEE ALSO")
	p.references(near)
}

func dbsyncManPage() ([]byte, error) {
	var help bytes.Buffer
	if err := printDBSyncHelp(&help, "dbsync2"); err != nil {
		return nil, err
	}
	var p roff
	p.title("dbsync2", "Bring the contacts of a campaign into SQL or to a web service")
	p.section("DESCRIPTION")
	p.text(help.String())
	p.section("SEE ALSO")
	p.references([]string{"ferryman", "ferryman-contacts"})
	return p.Bytes(), nil
}
