package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/config"
)

// shownCampaign is a campaign for scripts.
type shownCampaign struct {
	Name        string     `json:"name"`
	ID          string     `json:"id"`
	Mode        string     `json:"mode"`
	Target      string     `json:"target"`
	Start       *time.Time `json:"start"`
	Filter      string     `json:"filter"`
	Prefixes    []string   `json:"stage_prefix"`
	TablePrefix string     `json:"table_prefix"`
	BaseURL     string     `json:"base_url"`
	Signed      bool       `json:"signed"`
	Every       string     `json:"every"` // as a duration, such as 1m0s
	Served      bool       `json:"served"`
}

func showCampaign(c config.Campaign) shownCampaign {
	prefixes := c.Prefixes
	if prefixes == nil {
		prefixes = []string{}
	}
	return shownCampaign{
		Name: c.Name, ID: c.ID, Mode: c.Mode, Target: c.ShownTarget(), Start: optional(c.Start), Filter: c.Filter, Prefixes: prefixes,
		TablePrefix: c.TablePrefix, BaseURL: c.BaseURL, Signed: len(c.Secrets) > 0, Every: c.Every.String(), Served: c.Repeats(),
	}
}

func newContactsList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the campaigns of the file", Args: noArgs,
		Long: `List the campaigns of the campaigns file, having checked them. Tokens, passwords, secrets
and the paths of web services are left out.`,
		Example: "  ferryman contacts list\n  ferryman contacts list --campaigns /etc/ferryman/campaigns.yaml --json | jq -r '.[].name'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, loaded, _, err := contactsSettings(cmd, false)
			if err != nil {
				return err
			}
			if shownOf(loaded, "FERRYMAN_CAMPAIGNS_FILE").Value == "" {
				fmt.Fprintln(cmd.ErrOrStderr(), "there is no campaigns file: neither campaigns.yaml in this folder, nor one that --campaigns or FERRYMAN_CAMPAIGNS_FILE names")
			}
			if asJSON {
				shown := make([]shownCampaign, len(loaded.Campaigns))
				for i, one := range loaded.Campaigns {
					shown[i] = showCampaign(one)
				}
				return printJSON(cmd, shown)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tID\tMODE\tEVERY\tSTART\tTARGET")
			for _, one := range loaded.Campaigns {
				every := "-"
				if one.Repeats() {
					every = one.Every.String()
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", one.Name, one.ID, one.Mode, every, cell(one.Start, "-"), one.ShownTarget())
			}
			return w.Flush()
		},
	}
	config.AddFlags(c.Flags(), config.FileSection, config.ContactsSection, config.LogSection)
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON array")
	return c
}
