package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ferryman/internal/testwait"
)

// shopCron is what the lists tell of a cron of the sandbox's shop.
type shopCron struct {
	State         string     `json:"state"`
	LateAt        *time.Time `json:"late_at"`
	LastExecution struct {
		StartedAt time.Time `json:"started_at"`
	} `json:"last_execution"`
}

// TestSandboxShop lets the sandbox's shop report, and looks for the states that it is
// there to show.
func TestSandboxShop(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	n := serve(t, state, nil, "--sandbox", "--sandbox-listen", "127.0.0.1:0")
	key := ferryman(t, state, nil, "key", "create", "--app", "ferryman", "--scope", "admin", "--sandbox")
	list := func(path string, into any) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-API-KEY", key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", path, response.Status)
		}
		if err := json.NewDecoder(response.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	crons := func() map[string]shopCron {
		var page struct {
			Data []struct {
				Slug string `json:"slug"`
				shopCron
			} `json:"data"`
		}
		list("/api/v1/crons?app=shop&limit=100", &page)
		all := map[string]shopCron{}
		for _, c := range page.Data {
			all[c.Slug] = c.shopCron
		}
		return all
	}
	testwait.Until(t, "the shop has its crons", func() bool { return len(crons()) == 9 })
	for slug, want := range map[string]string{"newsletter": "new", "loyalty-points": "paused"} {
		testwait.Until(t, slug+" is "+want, func() bool { return crons()[slug].State == want })
	}
	// The past comes before the present, and takes longer than one waits for one thing.
	for _, hours := range []int{168, 120, 96, 72, 48, 30, 18, 12, 8, 5, 3, 2, 1} {
		testwait.Until(t, fmt.Sprintf("what was %d hours ago is reported", hours), func() bool {
			return time.Since(crons()["import-orders"].LastExecution.StartedAt).Hours() < float64(hours)
		})
	}
	for _, want := range []struct{ slug, state string }{
		{"nightly-backup", "running"}, {"import-orders", "ok"}, {"price-feed", "failing"}, {"cleanup-tmp", "overdue"},
	} {
		testwait.Until(t, want.slug+" is "+want.state, func() bool { return crons()[want.slug].State == want.state })
	}
	if late := crons()["report-weekly"]; late.LateAt == nil {
		t.Errorf("nobody waits for the weekly report: %+v", late)
	}

	// Its key is written nowhere, and ends with the server.
	file := filepath.Join(state, "sandbox", "ferryman.db.shop-key")
	prefix, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if p := strings.TrimSpace(string(prefix)); p == "" || strings.Contains(n.logged(), p) {
		t.Error("the log has the shop's key")
	}
	if code := n.stop(); code != 0 {
		t.Errorf("the server ends with %d", code)
	}
	if keys := ferryman(t, state, nil, "key", "list", "--app", "shop", "--sandbox"); strings.Contains(keys, "live") {
		t.Errorf("the shop's keys are\n%s", keys)
	}
}

// With --sandbox-quiet there is nothing but what people make.
func TestSandboxQuiet(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	n := serve(t, state, nil, "--sandbox", "--sandbox-quiet", "--sandbox-listen", "127.0.0.1:0")
	n.syncall() // it has had time for more
	if code := n.stop(); code != 0 {
		t.Errorf("the server ends with %d", code)
	}
	if apps := ferryman(t, state, nil, "app", "list", "--sandbox"); strings.Contains(apps, "shop") {
		t.Errorf("the applications are\n%s", apps)
	}
}
