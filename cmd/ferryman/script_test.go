package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ferryman/internal/sandbox/campaign"
	"ferryman/internal/sandbox/wms"
	"ferryman/internal/testaddr"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ferryman": main, "dbsync2": main, "dbsync": main})
}

// The scripts are what a person at a terminal, or a script, sees. Each has a
// simulated upstream at $UPSTREAM, one of campaigns at $CAMPAIGNS, and at $HOOK a web
// service that takes all.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"code": code, "load": loadEnv},
		Setup: func(e *testscript.Env) error {
			simulator, err := wms.New(wms.Options{})
			if err != nil {
				return err
			}
			server := httptest.NewServer(simulator)
			e.Defer(server.Close)
			e.Setenv("UPSTREAM", server.URL+wms.DefaultBase)
			calls, err := campaign.New(campaign.Options{Contacts: 30, Fields: 3, Plain: true, Seed: 1})
			if err != nil {
				return err
			}
			centre := httptest.NewServer(calls)
			e.Defer(centre.Close)
			e.Setenv("CAMPAIGNS", centre.URL)
			hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
			e.Defer(hook.Close)
			e.Setenv("HOOK", hook.URL)
			e.Setenv("PORT", fmt.Sprint(testaddr.Port(t))) // for what serves more than once
			e.Setenv("CAMPAIGN", campaign.DefaultCampaign)
			e.Setenv("CAMPAIGN_TOKEN", campaign.DefaultToken)
			e.Setenv("USERNAME", wms.DefaultUsername)
			e.Setenv("PASSWORD", wms.DefaultPassword)
			e.Setenv("FERRYMAN_STATE_DIR", e.WorkDir+"/state")
			return nil
		},
	})
}

// code runs a command and checks its exit code: code N command args….
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("run: %v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// loadEnv sets a variable to what stands in a file: load NAME file.
func loadEnv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: load NAME file")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}
