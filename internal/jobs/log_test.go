package jobs

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheSameTroubleIsSaidNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(newSparing(slog.NewTextHandler(&out, nil), slog.LevelInfo, false)).With("node", "n1")
		for range 30 {
			log.Warn("store is down", "err", "refused")
			log.Info("alive")
			log.Debug("unheard")
			time.Sleep(time.Second)
		}
		log.Warn("store is down", "err", "reset")
		for text, want := range map[string]int{"err=refused": 3, "err=reset": 1, "alive": 30, "unheard": 0, "node=n1": 34} {
			if got := strings.Count(out.String(), text); got != want {
				t.Errorf("%s: %d times, want %d", text, got, want)
			}
		}
	})
}
