package main

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/app"
	"ferryman/internal/config"
)

func newServe() *cobra.Command {
	var sandbox sandboxFlags
	c := &cobra.Command{
		Use: "serve", Short: "Run the server: scheduled syncs and the HTTP API",
		Long: `Run the server. It syncs on an interval and on demand, and answers HTTP until it is
stopped: on SIGINT or SIGTERM it lets work in hand finish, or hands it to the next
start or another node, within FERRYMAN_STOP_GRACE_SECONDS. A second signal, more
than a second later, ends it at once.

On loopback, calls for syncs, messages, the outbox and metrics need no key. Calls that
report crons, and those that list or change crons, runs, events and maintenance, need
one everywhere. The dashboard asks for one as soon as there is one that may look. On
any other address every call needs a key, but at /healthz, /readyz and /docs, and the
server refuses to start while there is none; --insecure-open lifts that, but for the
dashboard and the calls that need a key on loopback, too. With --tls-cert and --tls-key
it speaks HTTPS, and takes new files within seconds.

With --sandbox it needs nothing else: it starts simulators of the WMS API and of the
messengers, and keeps its state and its target in the folder "sandbox" of the state
directory, unless --store or --warehouse-database name others. Whatever API_TOKEN,
API_USER, API_PASSWORD, API_BASE_URL, FERRYMAN_STORE_URL, WAREHOUSE_DATABASE_URL,
FERRYMAN_SECRET and the tokens and addresses of messengers say, the sandbox leaves
the real upstream, messengers, store and target alone; the commands for applications,
keys and crons work on it with --sandbox. A simulated application, shop, reports its
crons to it, unless --sandbox-quiet is given.`,
		Example: `  ferryman serve --sandbox
  ferryman serve --sandbox --sandbox-fault "status=500,path=/iam/users/me,times=3"
  ferryman serve --sandbox --sandbox-fault "telegram:status=500,times=3"
  API_USER=me API_PASSWORD_FILE=/run/secrets/wms ferryman serve
  ferryman serve --store postgres://ferryman:password@db.example.com/ferryman`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sandbox.on {
				return serveSandbox(cmd, sandbox)
			}
			if err := sandbox.unused(cmd); err != nil {
				return err
			}
			in, err := config.Process(cmd.Flags())
			if err != nil {
				return err
			}
			c, log, err := load(cmd, in, slog.LevelInfo)
			if err != nil {
				logFatal(cmd.ErrOrStderr(), c.Log, err)
				return err
			}
			resume := func(one config.Campaign) time.Time { return leftOff(in, one, log) }
			return serve(cmd, app.Options{Config: c, Version: version, Log: log, Resume: resume}, "")
		},
	}
	config.AddFlags(c.Flags())
	sandbox.add(c.Flags())
	return c
}

// serve runs a server until the command's context ends. sandboxURL is the
// simulator's, "" without one. What ends it is logged.
func serve(cmd *cobra.Command, o app.Options, sandboxURL string) error {
	err := serveLogged(cmd, o, sandboxURL)
	logFatal(cmd.ErrOrStderr(), o.Config.Log, err)
	return err
}

func serveLogged(cmd *cobra.Command, o app.Options, sandboxURL string) error {
	s, err := app.NewServer(cmd.Context(), o)
	if err != nil {
		return err
	}
	return s.Run(cmd.Context(), func() {
		o.Log.Info("serving", "url", s.URL(), "version", version, "store", o.Config.Store.URL.String())
		if o.Config.Server.InsecureOpen {
			o.Log.Warn("open to everybody who reaches this address", "listen", o.Config.Server.Listen)
		}
		if o.Config.Log.JSON {
			return // for programs
		}
		welcome(cmd.OutOrStdout(), s.URL(), o, sandboxURL)
	})
}

// welcome tells a person what there is to look at.
func welcome(w io.Writer, url string, o app.Options, sandboxURL string) {
	c := o.Config
	rhythm := fmt.Sprintf("every %v", c.Warehouse.Interval)
	if c.Warehouse.Unset() {
		rhythm = "on demand, until API_TOKEN, or API_USER and API_PASSWORD, are set"
	}
	fmt.Fprintf(w, `Ferryman %s is running.

  look around      %s/
  API, browsable   %s/docs
  sync now         curl -X PATCH %s/api/syncall
  last syncs       curl %s/api/synlast
  what landed      curl %s/api/warehouses
  report crons     ferryman app --help, then key, cron, and cron exec
  send a message   curl %s/messages/ -H 'Content-Type: application/json' -d '[{"user_id": 123, "messenger_id": 1, "text": "hello"}]'

  own store        %s
  sync target      %s, %s
`, version, url, url, url, url, url, url, c.Store.URL, c.Warehouse.Database, rhythm)
	for _, campaign := range c.Campaigns {
		if !campaign.Repeats() {
			continue
		}
		fmt.Fprintf(w, "  campaign %-7s %s into %s, every %v\n", campaign.Name, campaign.ID, campaign.ShownTarget(), campaign.Every)
	}
	if c.Server.TLSCert != "" {
		fmt.Fprintf(w, "  certificate      %s; curl needs to be told: --cacert\n", c.Server.TLSCert)
	}
	if sandboxURL != "" {
		fmt.Fprintf(w, `  simulated API    %s
  make it fail     curl %s/_sandbox/faults -d '{"kind":"status","status":500,"path":"/iam/users/me","times":1}'
  messages arrive  %s/_sandbox/messages
  or they fail     curl %s/_sandbox/messengers/faults -d '{"messenger":"telegram","status":500,"times":3}'
  contacts change  %s/_sandbox/campaigns
`, c.Warehouse.BaseURL, sandboxURL, sandboxURL, sandboxURL, sandboxURL)
	}
	if o.Shop {
		fmt.Fprint(w, "  a shop reports   ferryman cron list --app shop --sandbox\n")
	}
	fmt.Fprint(w, "\nStop it with Ctrl-C.\n")
}
