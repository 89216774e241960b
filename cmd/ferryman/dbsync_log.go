package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"ferryman/internal/config"
)

// dbsyncLogs are the folders that are tried for log files.
func dbsyncLogs(given dbsyncGiven) []string {
	if dir := given.values["log-dir"].text; dir != "" {
		return []string{dir}
	}
	dirs := []string{"/var/log/dbsync"}
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".dbsync", "logs"))
	}
	return dirs
}

// openDBSyncLog makes a log file in the first of the folders where that works.
func openDBSyncLog(dirs []string, c config.Campaign, now time.Time) (*os.File, error) {
	name := fmt.Sprintf("%s_%s_%s.log", c.ID, c.Mode, now.UTC().Format("20060102T150405Z"))
	var wrong []error
	for _, dir := range dirs {
		err := os.MkdirAll(dir, 0o750)
		if err == nil {
			var f *os.File
			if f, err = os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
				return f, nil
			}
		}
		wrong = append(wrong, err)
	}
	return nil, errors.Join(wrong...)
}

// dbsyncLevel is the least important level that -l asks for.
func dbsyncLevel(l string) slog.Level {
	switch l {
	case "0":
		return slog.LevelError + 4 // above all there are
	case "1", "2":
		return slog.LevelError
	case "3":
		return slog.LevelWarn
	case "5":
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// dbsyncLogger logs to file as -l says, and to console errors, or with -v everything.
func dbsyncLogger(given dbsyncGiven, file, console io.Writer, asJSON bool) *slog.Logger {
	least := slog.LevelError
	if given.on("v") {
		least = slog.LevelDebug
	}
	return slog.New(both{
		newLogger(file, config.Log{Level: dbsyncLevel(given.values["l"].text), JSON: asJSON}).Handler(),
		newLogger(console, config.Log{Level: least, JSON: asJSON}).Handler(),
	})
}

// both hands records to two handlers.
type both [2]slog.Handler

func (b both) Enabled(ctx context.Context, l slog.Level) bool {
	return b[0].Enabled(ctx, l) || b[1].Enabled(ctx, l)
}

func (b both) Handle(ctx context.Context, r slog.Record) error {
	var wrong []error
	for _, h := range b {
		if h.Enabled(ctx, r.Level) {
			wrong = append(wrong, h.Handle(ctx, r.Clone()))
		}
	}
	return errors.Join(wrong...)
}

func (b both) WithAttrs(attrs []slog.Attr) slog.Handler {
	return both{b[0].WithAttrs(attrs), b[1].WithAttrs(attrs)}
}

func (b both) WithGroup(name string) slog.Handler {
	return both{b[0].WithGroup(name), b[1].WithGroup(name)}
}
