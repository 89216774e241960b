package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ferryman/internal/app"
	"ferryman/internal/config"
)

// isDBSync tells whether the program was called by a name of the original client of
// contact sync, whose flags it then takes.
func isDBSync(args []string) (program string, ok bool) {
	if len(args) == 0 {
		return "", false
	}
	name := filepath.Base(strings.ReplaceAll(args[0], `\`, "/"))
	name = strings.TrimSuffix(strings.ToLower(name), ".exe")
	return name, name == "dbsync2" || name == "dbsync"
}

// runDBSync is that client's command.
func runDBSync(ctx context.Context, program string, args []string, out, errOut io.Writer) error {
	in, err := config.Process(nil)
	if err != nil {
		return err
	}
	given, err := parseDBSync(args, in.Environ)
	if err != nil {
		return usageError{nil, err}
	}
	if given.asked {
		return printDBSyncHelp(out, program)
	}
	campaign, err := given.campaign(in)
	if err != nil {
		return err
	}
	in.Sections = []config.Section{config.FileSection, config.StoreSection, config.OutboxSection, config.LogSection}
	c, warnings, err := config.Load(in)
	if err != nil {
		return err
	}
	call := given.call()
	call.out, call.progress, call.failures = out, errOut, out
	if call.asJSON {
		call.failures = errOut // what stands on standard output is JSON
	}
	log, done := startDBSyncLog(given, campaign, c.Log.JSON, errOut, call.failures)
	defer done()
	for _, from := range given.idle(campaign.Mode) {
		fmt.Fprintf(errOut, "%s: warning: %s has no effect in mode %s\n", program, from, campaign.Mode)
	}
	for _, w := range warnings {
		log.Warn("setting", "name", w.Name, "problem", w.Detail)
	}
	if given.on("p") {
		stop, err := serveProfiles(ctx, errOut)
		if err != nil {
			return err
		}
		defer stop()
	}
	warn(log, campaign)
	call.run.Campaign, call.run.Resume = campaign, leftOff(in, campaign, log)
	return call.do(ctx, app.Options{Config: c, Version: version, Log: log, Traceparent: os.Getenv("TRACEPARENT")})
}

// startDBSyncLog opens the log file, or says that there is none and logs to errOut.
func startDBSyncLog(given dbsyncGiven, c config.Campaign, asJSON bool, errOut, console io.Writer) (log *slog.Logger, done func()) {
	file, err := openDBSyncLog(dbsyncLogs(given), c, time.Now())
	if err != nil {
		log = dbsyncLogger(given, errOut, console, asJSON)
		log.Warn("no log file can be made", "err", err)
		return log, func() {}
	}
	log = dbsyncLogger(given, file, console, asJSON)
	for _, o := range given.options {
		if v := given.values[o.name]; o.key == "token" && v.text != "" && strings.HasPrefix(v.from, "-") && !o.file {
			log.Debug("every user of this machine can read the token in the command line; -ct-file keeps it to yourself")
		}
	}
	log.Info("started", "version", version, "campaign", c.ID, "mode", c.Mode, "target", c.ShownTarget(), "given", given.from(), "pid", os.Getpid())
	return log, func() { _ = file.Close() }
}
