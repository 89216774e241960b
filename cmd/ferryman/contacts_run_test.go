package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ferryman/internal/app"
	"ferryman/internal/config"
	"ferryman/internal/fault"
	"ferryman/internal/sandbox/campaign"
)

// Where posts cannot be waited for, it is told all the same what was posted and what
// waits, and then why.
func TestSummaryOfPostsThatCannotBeWaitedFor(t *testing.T) {
	api, err := campaign.New(campaign.Options{Contacts: 20, Fields: 1, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(api)
	defer upstream.Close()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	defer service.Close()
	settings, _, err := config.Load(config.Input{Dir: t.TempDir(), Environ: []string{"FERRYMAN_STATE_DIR=" + t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	c := config.NewCampaign()
	c.Name, c.ID, c.Mode, c.BaseURL, c.Token = "c", campaign.DefaultCampaign, config.ModeWebhook, upstream.URL, config.NewSecret(campaign.DefaultToken)
	c.Target, c.Rate, c.Start, c.History = config.NewSecret(service.URL), 5000, time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC), true
	for _, asJSON := range []bool{false, true} {
		var out, progress bytes.Buffer
		call := contactsCall{once: true, asJSON: asJSON, run: app.ContactsRun{Campaign: c}, out: &out, progress: &progress, failures: &progress}
		err := call.do(t.Context(), app.Options{Config: settings, Version: "test", Log: slog.New(slog.DiscardHandler)})
		if fault.CodeOf(err) != "webhook_paused" || finish(&progress, err, nil) != exitFailed {
			t.Fatalf("it ends with %v", err)
		}
		if asJSON {
			var shown shownCycle
			if err := json.Unmarshal(out.Bytes(), &shown); err != nil || !shown.OK || shown.Backlog == 0 {
				t.Errorf("%v, prints %s", err, out.String())
			}
			continue
		}
		if !strings.Contains(out.String(), " posts sent, ") || strings.Contains(out.String(), " 0 waiting") {
			t.Errorf("prints %s", out.String())
		}
		if text := progress.String(); !strings.Contains(text, "posting is paused: ") || !strings.Contains(text, "are kept") && !strings.Contains(text, "the channel contacts/c is paused") {
			t.Errorf("tells %s", text)
		}
	}
}
