package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ferryman/internal/config"
)

func TestReadOriginalState(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	for content, want := range map[string]time.Time{
		`{"timestamp":1714979289}`:                      at,
		`{"timestamp":1714979289250}`:                   at.Add(250 * time.Millisecond),
		`{"timestamp":1714979289000001}`:                at.Add(time.Microsecond),
		`{"timestamp":1714979289000000001}`:             at.Add(1),
		`{"timestamp":"1714979289"}`:                    at,
		`{"timestamp":"2024-05-06T07:08:09Z"}`:          at,
		`{"timestamp":"2024-05-06T09:08:09.5+02:00"}`:   at.Add(500 * time.Millisecond),
		`{"timestamp":"2024-05-06T07:08:09.25", "x":1}`: at.Add(250 * time.Millisecond),
		`{}`:                        {},
		`{"timestamp":null}`:        {},
		`{"timestamp":1e9}`:         {},
		`{"timestamp":5}`:           {},
		`{"timestamp":-1714979289}`: {},
		`{"timestamp":[]}`:          {},
		`[]`:                        {},
		``:                          {},
	} {
		home := t.TempDir()
		in := config.Input{Environ: []string{"HOME=" + home}}
		if got, err := config.ReadOriginalState(in, "C1"); err != nil || !got.IsZero() {
			t.Fatalf("without a file: %v, %v", got, err)
		}
		if err := os.Mkdir(filepath.Join(home, ".dbsync2"), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(home, ".dbsync2"), "C1.json", content)
		got, err := config.ReadOriginalState(in, "C1")
		if !got.Equal(want) || (err != nil) != want.IsZero() {
			t.Errorf("%s gives %v, %v", content, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), filepath.Join(home, ".dbsync2", "C1.json")) {
			t.Errorf("does not tell the file: %v", err)
		}
	}
}
