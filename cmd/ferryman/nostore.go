package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ferryman/internal/config"
	"ferryman/internal/fault"
)

// mayMakeStore tells whether an administrative command makes a store where there is none:
// those do that put the first things into it, before the first start of the server. All
// others would have nothing to look at or to change, and are most likely in the wrong
// folder.
func mayMakeStore(cmd *cobra.Command) bool {
	return slices.Contains([]string{
		"app add", "key create", "cron add", "alert add", "webhook add", "maintenance add", "outbox pause",
	}, commandName(cmd))
}

// commandName is a command as it is typed behind the program.
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// tellMade tells of a store that a command has made, which may be one too many.
func tellMade(w io.Writer) func(where string) {
	return func(where string) { fmt.Fprintln(w, "a new store was made: "+where) }
}

// whichStore adds to the error of a store that is not there why it was looked for just
// there, and what to do. Other errors stay as they are.
func whichStore(cmd *cobra.Command, c config.Config, err error) error {
	missing, ok := errors.AsType[*fault.Error](err)
	if !ok || missing.Code != "no_store" {
		return err
	}
	told := *missing
	if sandbox, _ := cmd.Flags().GetBool("sandbox"); sandbox {
		told.Detail += ", that of the sandbox in FERRYMAN_STATE_DIR, " + fromWhere(c, "FERRYMAN_STATE_DIR")
		told.Hint = "ferryman serve --sandbox makes it; with the same FERRYMAN_STATE_DIR it is found"
		return &told
	}
	if isDefault(c, "FERRYMAN_STORE_URL") {
		told.Detail += ", the place for it in FERRYMAN_STATE_DIR, " + fromWhere(c, "FERRYMAN_STATE_DIR")
	} else {
		told.Detail += ", which FERRYMAN_STORE_URL names, " + fromWhere(c, "FERRYMAN_STORE_URL")
	}
	told.Hint = "cd to the folder of the server's .env, or set FERRYMAN_STORE_URL or FERRYMAN_STATE_DIR as the server has them; ferryman serve or ferryman migrate makes a new one"
	return &told
}

// shownOf is a setting as it is in force.
func shownOf(c config.Config, name string) config.Shown {
	for _, s := range c.Show() {
		if s.Name == name {
			return s
		}
	}
	return config.Shown{Name: name, Origin: config.FromDefault}
}

func isDefault(c config.Config, name string) bool {
	return shownOf(c, name).Origin == config.FromDefault
}

// fromWhere tells where the value of a setting comes from.
func fromWhere(c config.Config, name string) string {
	switch s := shownOf(c, name); {
	case s.Origin == config.FromDefault:
		return "which is not set" + noEnvFile(c)
	case s.Detail != "":
		return "from " + s.Detail
	case s.Origin == config.FromEnvironment:
		return "from the environment"
	case s.Origin == config.FromFlag:
		return "from the flag"
	default:
		return "from " + string(s.Origin)
	}
}

// noEnvFile says that no .env was read, and of which folder.
func noEnvFile(c config.Config) string {
	folder, err := os.Getwd()
	if err != nil || shownOf(c, "FERRYMAN_ENV_FILE").Value != "" {
		return ""
	}
	return ", nor is there a .env in " + folder
}
