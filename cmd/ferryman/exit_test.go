package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/syncs"
)

func TestFinish(t *testing.T) {
	canceled := fmt.Errorf("sync: %w", context.Canceled)
	for name, c := range map[string]struct {
		err         error
		interrupted os.Signal
		code        int
		says        string
	}{
		"nothing wrong":           {nil, nil, 0, ""},
		"stopped, all well":       {nil, syscall.SIGTERM, 0, ""},
		"stopped in mid-work":     {canceled, syscall.SIGTERM, 143, ""},
		"Ctrl-C":                  {exitError(2), syscall.SIGINT, 130, ""},
		"failed, then Ctrl-C":     {errors.New("disk full"), syscall.SIGINT, 5, "ferryman: disk full\n"},
		"said already":            {exitError(3), nil, 3, ""},
		"wrong settings":          {&fault.Error{Kind: fault.Unconfigured, Detail: "no"}, nil, 1, "ferryman: no\n"},
		"with a code":             {fmt.Errorf("open: %w", &fault.Error{Kind: fault.Unavailable, Code: "store_away", Detail: "no", Hint: "wait"}), nil, 5, "ferryman: open: no (wait) [store_away]\n"},
		"of several lines":        {&fault.Error{Kind: fault.Unconfigured, Code: "wrong_settings", Detail: "2 wrong:\n  - a\n  - b"}, nil, 1, "ferryman: 2 wrong: [wrong_settings]\n  - a\n  - b\n"},
		"something else":          {errors.New("disk full"), nil, 5, "ferryman: disk full\n"},
		"called off without sign": {canceled, nil, 5, "ferryman: sync: context canceled\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var w bytes.Buffer
			if code := finish(&w, c.err, c.interrupted); code != c.code || w.String() != c.says {
				t.Errorf("code %d, says %q", code, w.String())
			}
		})
	}
}

func TestExitOf(t *testing.T) {
	ended := time.Unix(1, 0)
	rejected := pipeline.Report{Tables: []pipeline.TableCount{{Rejected: 1}}}
	for _, c := range []struct {
		run  syncs.Run
		code int
	}{
		{syncs.Run{EndedAt: ended}, 0},
		{syncs.Run{EndedAt: ended, Report: rejected}, 4},
		{syncs.Run{EndedAt: ended, Reason: "not_configured"}, 1},
		{syncs.Run{EndedAt: ended, Reason: "timeout"}, 2},
		{syncs.Run{EndedAt: ended, Reason: "forbidden"}, 2},
		{syncs.Run{EndedAt: ended, Reason: "target_auth"}, 3},
		{syncs.Run{EndedAt: ended, Reason: "store_unavailable"}, 5},
		{syncs.Run{EndedAt: ended, Reason: "internal"}, 5},
	} {
		if got := exitOf(c.run); got != c.code {
			t.Errorf("%+v: %d, want %d", c.run, got, c.code)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0 keys", 1: "1 key", 2: "2 keys"} {
		if got := count(n, "key"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
