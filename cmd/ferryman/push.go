package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ferryman/internal/config"
	"ferryman/internal/fault"
	"ferryman/internal/pushclient"
)

func newPush() *cobra.Command {
	return group("push", "Send messages to people on Viber, Telegram and WhatsApp",
		newPushSend(), newPushList(), newPushShow(), newPushCancel(), newPushMove(), newPushRetry())
}

// pushSections are the settings of a client of a server.
func pushSections() []config.Section {
	return []config.Section{config.FileSection, config.ExecSection, config.LogSection}
}

func pushUsage() string { return "\n\n" + config.Usage(pushSections()[:2]...) }

func addPushFlags(c *cobra.Command) { config.AddFlags(c.Flags(), config.FileSection) }

// withPush runs fn with a client of the server that the settings name. What is
// wrong with the arguments is a mistake in usage.
func withPush(cmd *cobra.Command, fn func(ctx context.Context, c *pushclient.Client) error) error {
	in, err := config.Process(cmd.Flags())
	if err != nil {
		return err
	}
	in.Sections, in.Ignore = pushSections(), []string{"FERRYMAN_SPOOL_DIR"}
	conf, _, err := load(cmd, in, slog.LevelWarn)
	if err != nil {
		return err
	}
	c, err := pushclient.New(pushclient.Options{URL: conf.Exec.URL, Key: conf.Exec.Key.Reveal(), Version: version, TLS: knownBy(conf.Exec.Cert)})
	if err != nil {
		return err
	}
	defer c.Close()
	return flagged(cmd, fn(cmd.Context(), c))
}

// flagged tells what is wrong with a message by the flags that it came from.
func flagged(cmd *cobra.Command, err error) error {
	refused, ok := errors.AsType[*pushclient.RefusedError](err)
	switch {
	case !ok && fault.KindOf(err) == fault.Invalid && fault.CodeOf(err) == "flag":
		return usageError{cmd, err}
	case !ok || len(refused.Items) != 1:
		return err
	}
	flags := map[string]string{"user_id": "--to", "messenger_id": "--via", "text": "--text", "start_at": "--at", "expires_at": "--expires"}
	lines := make([]string, len(refused.Items[0]))
	for i, p := range refused.Items[0] {
		if flag := flags[p.Field]; flag != "" {
			p.Field = flag
		}
		lines[i] = oneLine(p.String())
	}
	return usageError{cmd, errors.New(strings.Join(lines, "\n  "))}
}

// badFlag is a fault of a flag's or an argument's value.
func badFlag(format string, args ...any) error {
	return &fault.Error{Kind: fault.Invalid, Code: "flag", Detail: fmt.Sprintf(format, args...)}
}

// messenger gives the API's number for the value of --via.
func messenger(via string) (string, error) {
	id, ok := pushclient.MessengerID(via)
	if !ok {
		return "", badFlag("--via is %q, expected one of %s", via, strings.Join(pushclient.Messengers(), ", "))
	}
	return id, nil
}

func addVia(c *cobra.Command, via *string, usage string) {
	c.Flags().StringVar(via, "via", "", usage+": "+strings.Join(pushclient.Messengers(), ", "))
	_ = c.RegisterFlagCompletionFunc("via", cobra.FixedCompletions(pushclient.Messengers(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// someIDs wants arguments that are ids, at least one and at most most.
func someIDs(most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 || len(args) > most {
			return usageError{cmd, fmt.Errorf("wants the ids of up to %d messages, and got %d; see ferryman push list", most, len(args))}
		}
		i := slices.IndexFunc(args, func(arg string) bool { return parseID(arg) == 0 })
		if i >= 0 {
			return usageError{cmd, fmt.Errorf("%q is no id, which is a whole number from 1 on", args[i])}
		}
		return nil
	}
}

// oneID wants one argument that is an id.
func oneID(cmd *cobra.Command, args []string) error {
	if err := oneArg("ID")(cmd, args); err != nil {
		return err
	}
	return someIDs(1)(cmd, args)
}

// parseID gives an id, or 0.
func parseID(arg string) int64 {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		return 0
	}
	return max(id, 0)
}
