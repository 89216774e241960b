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

// What was told of a campaign of the file is not told again, unless flags have made
// something else of it.
func TestWarningsAreToldOnce(t *testing.T) {
	file := config.NewCampaign()
	file.Name, file.BaseURL = "c", "http://api.example"
	changed := file
	changed.Target = config.NewSecret("http://hook.example/s3cret")
	for want, c := range map[string]config.Campaign{"": file, "target is http": changed} {
		var w bytes.Buffer
		warn(slog.New(slog.NewTextHandler(&w, nil)), c, file)
		if got := w.String(); strings.Count(got, "\n") != min(1, len(want)) || !strings.Contains(got, want) || strings.Contains(got, "s3cret") {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

func TestLeftOff(t *testing.T) {
	home := t.TempDir()
	in := config.Input{Environ: []string{"HOME=" + home}, Dir: home}
	var w bytes.Buffer
	log := slog.New(slog.NewTextHandler(&w, nil))
	c := config.Campaign{ID: "C1", Name: "c"}
	if at := leftOff(in, c, log); !at.IsZero() || w.Len() > 0 {
		t.Errorf("without a file: %v, %s", at, w.String())
	}
	state := filepath.Join(home, ".dbsync2", "C1.json")
	if err := os.MkdirAll(filepath.Dir(state), 0o700); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]time.Time{
		`{"timestamp":"2018-12-27T11:41:40"}`: time.Date(2018, 12, 27, 11, 41, 40, 0, time.UTC), `{"timestamp":"soon"}`: {},
	} {
		if err := os.WriteFile(state, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.Reset()
		if at := leftOff(in, c, log); !at.Equal(want) || strings.Contains(w.String(), "campaign=c") != want.IsZero() {
			t.Errorf("%s: %v, %s", text, at, w.String())
		}
	}
}
