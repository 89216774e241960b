package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ferryman/internal/config"
)

func TestOpenDBSyncLog(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Campaign{ID: "C1", Mode: config.ModeSync}
	now := time.Date(2024, 5, 6, 9, 8, 7, 0, time.FixedZone("", 7200))
	f, err := openDBSyncLog([]string{filepath.Join(file, "logs"), filepath.Join(dir, "home", "logs")}, c, now)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := filepath.Join(dir, "home", "logs", "C1_db_sync_20240506T070807Z.log"); f.Name() != want {
		t.Errorf("got %s, want %s", f.Name(), want)
	}
	if info, err := f.Stat(); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("everybody may use it: %v, %v", info.Mode(), err)
	}
	if _, err := openDBSyncLog([]string{filepath.Join(file, "logs")}, c, now); err == nil {
		t.Error("a folder that cannot be made is no error")
	}
}

func TestDBSyncLevels(t *testing.T) {
	for l, want := range map[string]string{"0": "", "1": "ERROR", "2": "ERROR", "3": "WARN ERROR", "4": "INFO WARN ERROR", "": "INFO WARN ERROR", "5": "DEBUG INFO WARN ERROR"} {
		for v, console := range map[string]string{"": "ERROR", "true": "DEBUG INFO WARN ERROR"} {
			given := dbsyncGiven{values: map[string]dbsyncValue{"l": {text: l}, "v": {text: v}}}
			var file, out bytes.Buffer
			log := dbsyncLogger(given, &file, &out, false).With("k", 1).WithGroup("g")
			for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
				log.Log(t.Context(), level, "x")
			}
			if got := levels(file.String()); got != want {
				t.Errorf("-l %s logs %s", l, got)
			}
			if got := levels(out.String()); got != console {
				t.Errorf("-v %s tells %s", v, got)
			}
		}
	}
}

func levels(log string) string {
	var all []string
	for line := range strings.Lines(log) {
		_, rest, _ := strings.Cut(line, "level=")
		level, _, _ := strings.Cut(rest, " ")
		all = append(all, level)
	}
	return strings.Join(all, " ")
}
