package main

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ferryman/internal/app"
	"ferryman/internal/config"
)

type sandboxFlags struct {
	on     bool
	quiet  bool
	listen string
	faults []string
}

func (f *sandboxFlags) add(fs *pflag.FlagSet) {
	fs.BoolVar(&f.on, "sandbox", false, "sync from a simulated WMS API and send to simulated messengers, with a store and a target of their own")
	fs.BoolVar(&f.quiet, "sandbox-quiet", false, "leave out the simulated shop that reports crons")
	fs.StringVar(&f.listen, "sandbox-listen", "127.0.0.1:8081", "loopback address of the simulators; unless given, another free port will do")
	fs.StringArrayVar(&f.faults, "sandbox-fault", nil, `make the simulated API fail, such as "status=500,path=/iam/users/me,times=3", or a messenger, such as "telegram:status=500,times=3", or the campaign API, such as "campaign:truncate,times=2" (may be repeated)`)
}

// unused refuses flags that mean nothing without --sandbox.
func (f *sandboxFlags) unused(cmd *cobra.Command) error {
	for _, name := range []string{"sandbox-quiet", "sandbox-listen", "sandbox-fault"} {
		if cmd.Flags().Changed(name) {
			return usageError{cmd, fmt.Errorf("--%s needs --sandbox", name)}
		}
	}
	return nil
}

// serveSandbox serves with simulators as the upstream and the messengers.
func serveSandbox(cmd *cobra.Command, f sandboxFlags) error {
	c, log, err := sandboxSettings(cmd)
	if err != nil {
		return err
	}
	sandbox, err := app.StartSandbox(cmd.Context(), f.listen, !cmd.Flags().Changed("sandbox-listen"), f.faults)
	if err != nil {
		return err
	}
	defer sandbox.Close()
	sandbox.Point(&c)
	return serve(cmd, app.Options{Config: c, Version: version, Log: log, Sandbox: true, Shop: !f.quiet}, sandbox.URL())
}

// sandboxSettings loads the settings of a server in the sandbox.
func sandboxSettings(cmd *cobra.Command) (config.Config, *slog.Logger, error) {
	in, err := config.Process(cmd.Flags())
	if err != nil {
		return config.Config{}, nil, err
	}
	return loadSandbox(cmd, in, slog.LevelInfo)
}

// loadSandbox loads settings with the store and the target in a folder of the
// sandbox's own, unless flags name others: what is simulated must not mix with
// what is real. What is set for the real ones, and be it wrong, is not looked at.
func loadSandbox(cmd *cobra.Command, in config.Input, least slog.Level) (config.Config, *slog.Logger, error) {
	in.Ignore = []string{
		"FERRYMAN_CAMPAIGNS_FILE", "FERRYMAN_CONTACTS_TOKEN", "FERRYMAN_CONTACTS_TARGET",
		"API_BASE_URL", "API_TOKEN", "API_USER", "API_PASSWORD", "FERRYMAN_SECRET", "FERRYMAN_STORE_URL", "WAREHOUSE_DATABASE_URL",
		"TELEGRAM_BASE_URL", "TELEGRAM_TOKEN", "VIBER_BASE_URL", "VIBER_TOKEN",
		"WHATSAPP_BASE_URL", "WHATSAPP_TOKEN", "WHATSAPP_PHONE_NUMBER_ID", "WHATSAPP_API_VERSION",
	}
	given, _, err := config.Load(in)
	if err != nil {
		return config.Config{}, nil, err
	}
	folder := filepath.Join(given.Store.StateDir, "sandbox")
	for flag, file := range map[string]string{"store": "ferryman.db", "warehouse-database": "warehouse.db"} {
		if f := cmd.Flags().Lookup(flag); f == nil || f.Changed {
			continue
		}
		if err := cmd.Flags().Set(flag, config.SQLiteURL(filepath.Join(folder, file))); err != nil {
			return config.Config{}, nil, err
		}
	}
	c, log, err := load(cmd, in, least)
	c.Store.StateDir = folder
	return c, log, err
}
