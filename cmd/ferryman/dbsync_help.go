package main

import (
	"fmt"
	"io"
	"strings"
)

// printDBSyncHelp is the overview of all options.
func printDBSyncHelp(w io.Writer, program string) error {
	var b strings.Builder
	fmt.Fprintf(&b, `%[1]s brings the contacts of a Dialfire campaign into SQL, or posts its transactions to a
web service. It is Ferryman %[2]s, and takes the flags of the client of this name.

Usage: %[1]s -c CAMPAIGN -ct TOKEN -a MODE -url URL [flags]

Modes (-a)
  db_init    brings all contacts, or with -s those changed since, and ends
  db_update  brings what changed since -s, or in the last week, and ends
  db_sync    brings what changed since -s or the last run, then goes on every minute
  webhook    posts transactions since -s or the last run, or new ones, then goes on every minute

URLs (-url)
  mysql://username:password@localhost:3306/database?useSSL=false
  postgres://username:password@localhost:5432/database?sslmode=disable
  sqlserver://username:password@localhost:1433/instance/database
  sqlite:///path/file.db
  https://example.com/api/transactions/
  In user and password write @ : / ? # %% as %%40 %%3A %%2F %%3F %%23 %%25.

Examples
  %[1]s --a db_sync --fm hi_updates_only --fp 'fc_,qc_' --c MY_CAMPAIGN_ID --ct MY_CAMPAIGN_TOKEN --s 2018-02-01 \
      --url sqlserver://my_user:my_password@localhost:1433/sql_server_instance/my_database
  %[1]s --a webhook --c MY_CAMPAIGN_ID --ct-file token --url 'https://example.com/api/transactions/'
  DBSYNC_CT=… DBSYNC_URL=… %[1]s -a db_init -c MY_CAMPAIGN_ID --dry-run

Flags, with one dash or two
`, program, version)
	ours := false
	for _, o := range dbsyncOptions() {
		if o.ours && !ours && !o.file {
			ours = true
			b.WriteString("\nFurther flags, that the original client does not have\n")
		}
		name := "  -" + o.name
		if !o.onOff {
			name += " " + o.value
		}
		fmt.Fprintf(&b, "%s\n      %s [%s]\n", name, o.help, o.variables()[0])
	}
	fmt.Fprintf(&b, `
A flag wins over its variable, in brackets; the spelling without the first underscore, such as
DBSYNCCT, works too. Every user of this machine can read flags: prefer -ct-file and -url-file,
or variables.

Where a campaign is synced into two databases, give the second another -name: under a name
there is one execution at a time, and one row of the ledger.

Errors are told on standard output. What is logged goes to /var/log/dbsync/CAMPAIGN_MODE_TIME.log,
else to $HOME/.dbsync/logs. The executions stand in Ferryman's ledger: FERRYMAN_STATE_DIR and
FERRYMAN_STORE_URL say where, see ferryman config show. State of the original client in
/var/opt/dbsync2 or $HOME/.dbsync2 is read where there is none of ours.

Exit codes: 0 done, or this help; 1 wrong usage or settings; 2 the API refused, failed or could
not be reached; 3 the target database did; 4 done, but some rows are dead letters; 5 any other
failure; 130 or 143 ended by SIGINT or SIGTERM, with everything in hand written.
`)
	_, err := io.WriteString(w, b.String())
	return err
}
