package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/config"
)

func newContacts() *cobra.Command {
	c := group("contacts", "Sync the contacts of Dialfire campaigns into SQL or to a web service",
		newContactsSync(), newContactsVerify(), newContactsList())
	c.Long = `Sync the contacts of Dialfire campaigns, with their transactions, connections, recordings
and inbound calls, into PostgreSQL, MySQL, MariaDB, Microsoft SQL Server or SQLite, or
post their transactions to a web service.

Campaigns stand in the file campaigns.yaml, or one is told by flags. Under the name
dbsync2 this program takes the flags of the client of that name: see dbsync2 --help.`
	return c
}

// contactsSections are the settings that these commands go by.
func contactsSections() []config.Section {
	return []config.Section{config.FileSection, config.StoreSection, config.ContactsSection, config.OutboxSection, config.LogSection}
}

// contactsSettings loads them, for one campaign or for all.
func contactsSettings(cmd *cobra.Command, one bool) (config.Input, config.Config, *slog.Logger, error) {
	in, err := config.Process(cmd.Flags())
	if err != nil {
		return in, config.Config{}, nil, err
	}
	in.Sections, in.OneCampaign = contactsSections(), one
	c, log, err := load(cmd, in, slog.LevelWarn)
	return in, c, log, err
}

const contactsExamples = `  ferryman contacts sync                                # the one campaign of campaigns.yaml
  ferryman contacts sync --campaign sales --once        # one cycle, for a crontab
  ferryman contacts sync --campaign sales --dry-run     # what it would change
  FERRYMAN_CONTACTS_TOKEN=… ferryman contacts sync --campaign ABCDEFGH23456789 \
    --target sqlite:contacts.db --mode db_init          # all contacts, without a file
  ferryman contacts sync --campaign ABCDEFGH23456789 --token-file token \
    --target https://example.com/api/transactions/      # transactions, to a web service`

func newContactsSync() *cobra.Command {
	var once, dryRun, asJSON bool
	c := &cobra.Command{
		Use: "sync", Short: "Sync a campaign: once, or on and on",
		Long: `Sync a campaign in this process. Modes db_init and db_update bring what there is and
end. Modes db_sync and webhook go on cycle after cycle until SIGINT or SIGTERM, unless
--once is given. Each cycle stands in the ledger. Cycles of a campaign never overlap: if
a server is at one, this process waits for its turn.

--campaign takes the name or the id of a campaign of the file, and flags change what the
file says of it; what is wrong with the file's other campaigns does not matter. Any other id is a campaign of its own, whose token and target flags,
FERRYMAN_CONTACTS_TOKEN and FERRYMAN_CONTACTS_TARGET give. Every user of this machine can
read flags: prefer --token-file and --target-file.

After each cycle that changed something there is a line, at most one a minute; with
--json one object for each cycle.

` + exitCodes,
		Example: contactsExamples,
		Args:    noArgs,
	}
	flags := newCampaignFlags(c.Flags())
	c.Flags().BoolVar(&once, "once", false, "end after one cycle, also in the modes db_sync and webhook")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "write nothing, and tell what one cycle would change")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each cycle")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return runContacts(cmd, flags, contactsCall{once: once, asJSON: asJSON, run: app.ContactsRun{DryRun: dryRun}})
	}
	return c
}

func newContactsVerify() *cobra.Command {
	var rows, repair, asJSON bool
	c := &cobra.Command{
		Use: "verify", Short: "Compare what a database holds with the campaign",
		Long: `Read a campaign whole and compare it with what the database holds: rows that are missing
there, that differ, and that the campaign no longer has, such as inbound calls that are
not listed any more, or transactions of a contact that is unknown. Nothing is written,
unless --repair is given: then what differs is made right.

Several campaigns may share tables. Transactions, connections and recordings of a contact
that none of them has do not say whose they are: they are counted, and left alone.

It ends with 0 if both hold the same, or do now, and with 5 if they differ.

` + exitCodes,
		Example: `  ferryman contacts verify --campaign sales
  ferryman contacts verify --campaign sales --rows --json | jq -r 'select(.key) | .key'
  ferryman contacts verify --campaign sales --repair`,
		Args: noArgs,
	}
	flags := newCampaignFlags(c.Flags())
	c.Flags().BoolVar(&rows, "rows", false, "print each row that differs, and the columns in which it does")
	c.Flags().BoolVar(&repair, "repair", false, "make right what differs")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, with --rows after one for each row")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return runContacts(cmd, flags, contactsCall{once: true, asJSON: asJSON, run: app.ContactsRun{Verify: true, Rows: rows, Repair: repair}})
	}
	return c
}

// runContacts does what was called for with the campaign that the flags tell of.
func runContacts(cmd *cobra.Command, flags *campaignFlags, call contactsCall) error {
	in, c, log, err := contactsSettings(cmd, true)
	if err != nil {
		return err
	}
	campaign, err := flags.campaign(cmd, in, c)
	if err != nil {
		return err
	}
	if call.run.Verify && campaign.Mode == config.ModeWebhook {
		return usageError{cmd, errVerifyWebhook}
	}
	warn(log, campaign, c.Campaigns...)
	call.run.Campaign, call.run.Resume = campaign, leftOff(in, campaign, log)
	call.out, call.progress, call.failures = cmd.OutOrStdout(), cmd.ErrOrStderr(), cmd.ErrOrStderr()
	return call.do(cmd.Context(), app.Options{Config: c, Version: version, Log: log, Traceparent: os.Getenv("TRACEPARENT")})
}
