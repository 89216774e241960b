package main

import (
	"context"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ferryman/internal/apikey"
	"ferryman/internal/app"
	"ferryman/internal/audit"
	"ferryman/internal/config"
	"ferryman/internal/ledger"
)

// act is how the audit log has a command.
type act struct {
	name   string
	target func(ctx context.Context, cmd *cobra.Command, a *app.Admin) string
	secret bool // its flags may tell what nobody shall read
}

// actOf gives how the audit log has a command, and whether it does: those that look
// and those that another process notes are in it under no name.
func actOf(cmd *cobra.Command) (act, bool) {
	channel := named("", audit.Channel)
	application := named("", audit.Application)
	webhook := named("", audit.Webhook)
	acts := map[string]act{
		"app add": {"app.add", application, false}, "app rm": {"app.remove", application, false},
		"key create": {"key.create", named("app", audit.Application), false}, "key revoke": {"key.revoke", keyTarget, false},
		"cron add": {"cron.create", cronTarget, false}, "cron edit": {"cron.edit", cronTarget, false}, "cron rm": {"cron.delete", cronTarget, false},
		"cron mute": {"cron.mute", cronTarget, false}, "cron unmute": {"cron.unmute", cronTarget, false},
		"cron pause": {"cron.pause", cronTarget, false}, "cron resume": {"cron.resume", cronTarget, false},
		"cron snooze": {"cron.snooze", cronTarget, false}, "cron release": {"cron.release", releaseTarget, false},
		"maintenance add": {"maintenance.add", fixed("maintenance"), false},
		"maintenance rm":  {"maintenance.remove", numbered(audit.Maintenance), false},
		"alert add":       {"alert.add", fixed("alert"), false}, "alert rm": {"alert.remove", numbered(audit.Alert), false},
		"outbox pause": {"channel.pause", channel, false}, "outbox resume": {"channel.resume", channel, false},
		"outbox replay": {"outbox.replay", fixed("outbox"), false},
		"node drain":    {"node.drain", nodeTarget, false}, "node resume": {"node.resume", nodeTarget, false},
		"webhook add": {"webhook.add", webhook, true}, "webhook set": {"webhook.edit", webhook, true},
		"webhook rotate": {"webhook.rotate", webhook, true}, "webhook rm": {"webhook.remove", webhook, true},
	}
	found, ok := acts[commandName(cmd)]
	return found, ok
}

// noting runs fn and has the audit log know what it did. What it is about is looked
// up before, since it may be gone then, and after, since it may be new.
func noting(ctx context.Context, cmd *cobra.Command, a *app.Admin, fn func(ctx context.Context, a *app.Admin) error) error {
	act, ok := actOf(cmd)
	if !ok {
		return fn(ctx, a)
	}
	target := act.target(ctx, cmd, a)
	err := fn(ctx, a)
	count, counted := cmd.Annotations[didCount]
	if err != nil && !counted {
		return err
	}
	ctx = context.WithoutCancel(ctx) // it is done
	if target == "" {
		target = act.target(ctx, cmd, a)
	}
	e := audit.Entry{Who: audit.Command(userName()), Action: act.name, Target: target}
	if !act.secret {
		e.Detail = given(cmd)
	}
	if counted {
		e.Detail = strings.TrimSuffix(count+", "+e.Detail, ", ")
	}
	a.Audit.Note(ctx, e)
	return err
}

// didCount is the annotation of a command with how much it has done. With it, the
// audit log has what was done before the command failed.
const didCount = "did"

// given is the flags that say what to do, and not where and how to tell of it.
func given(cmd *cobra.Command) string {
	skip := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.AddFlags(skip, adminSections()...)
	skip.Bool("sandbox", false, "")
	skip.Bool("json", false, "")
	var all []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if skip.Lookup(f.Name) == nil {
			all = append(all, "--"+f.Name+"="+f.Value.String())
		}
	})
	return strings.Join(all, " ")
}

// userName is who runs the command, as far as the system tells.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

// fixed is the target of commands that make one.
func fixed(target string) func(context.Context, *cobra.Command, *app.Admin) string {
	return func(context.Context, *cobra.Command, *app.Admin) string { return target }
}

// named is a target that a flag names, or the first argument.
func named(flag string, target func(string) string) func(context.Context, *cobra.Command, *app.Admin) string {
	return func(_ context.Context, cmd *cobra.Command, _ *app.Admin) string {
		if flag == "" {
			return target(cmd.Flags().Arg(0))
		}
		name, _ := cmd.Flags().GetString(flag)
		return target(name)
	}
}

// numbered is a target that the first argument gives by its id.
func numbered(target func(int64) string) func(context.Context, *cobra.Command, *app.Admin) string {
	return func(_ context.Context, cmd *cobra.Command, _ *app.Admin) string {
		id, _ := strconv.ParseInt(cmd.Flags().Arg(0), 10, 64)
		return target(id)
	}
}

// keyTarget is the key to revoke, which may be given whole.
func keyTarget(_ context.Context, cmd *cobra.Command, _ *app.Admin) string {
	arg := cmd.Flags().Arg(0)
	if prefix := apikey.Prefix(arg); prefix != "" {
		arg = prefix
	}
	if arg == "" {
		return "keys"
	}
	return audit.KeyTarget(strings.TrimPrefix(arg, "fm_"))
}

// cronTarget is the cron that the first argument names, or "" if there is none.
func cronTarget(ctx context.Context, cmd *cobra.Command, a *app.Admin) string {
	var f cronFlags
	f.app, _ = cmd.Flags().GetString("app")
	of, ref, err := f.find(ctx, a, cmd.Flags().Arg(0))
	if err != nil {
		return "" // the command says why
	}
	c, err := a.Ledger.Cron(ctx, of, ref)
	if err != nil {
		return ""
	}
	return audit.Cron(c.ID, c.App, c.Slug)
}

// releaseTarget is an execution, or a cron.
func releaseTarget(ctx context.Context, cmd *cobra.Command, a *app.Admin) string {
	if id, ok := ledger.ParseID(cmd.Flags().Arg(0)); ok {
		return audit.Execution(id)
	}
	return cronTarget(ctx, cmd, a)
}

// nodeTarget is the node that the first argument begins the name of.
func nodeTarget(ctx context.Context, cmd *cobra.Command, a *app.Admin) string {
	n, err := a.Nodes.Find(ctx, cmd.Flags().Arg(0))
	if err != nil {
		return "" // the command says why
	}
	return audit.Node(n.Name)
}
