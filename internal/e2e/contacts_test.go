package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ferryman/internal/sandbox/campaign"
	"ferryman/internal/testwait"
)

// mirrored runs a test with each database as the target of a campaign.
func mirrored(t *testing.T, o campaign.Options, test func(t *testing.T, c *callCentre, d database)) {
	for name, fresh := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newCallCentre(t, o), fresh(t))
		})
	}
}

// nasty is a campaign that holds everything that is odd.
func nasty() campaign.Options { return campaign.Options{Contacts: 300, Fields: 8} }

func TestACampaignIsMirroredValueForValue(t *testing.T) {
	t.Parallel()
	mirrored(t, nasty(), func(t *testing.T, c *callCentre, d database) {
		state := t.TempDir()
		sync := func(more ...string) {
			t.Helper()
			// Some rows of this campaign can only be dead letters.
			code, out, problems := finish(t, command(t, state, nil, append([]string{"contacts", "sync"}, c.flags(d, more...)...)...))
			if code != 0 && code != 4 {
				t.Fatalf("sync: exit code %d\n%s\n%s", code, out, problems)
			}
		}
		sync("--mode", "db_sync", "--once")
		c.mustHaveLetters(t, d)
		c.mustMirror(t, d, "", "?vanished=true")
		before := d.changedAt(t, "contacts", "$id")

		c.change(t, 40, "edit", "transaction", "late", "remove", "contact", "inbound")
		c.control(t, "POST", "/change", `{"kind":"field","field":"New field"}`)
		sync("--mode", "db_update")
		c.mustMirror(t, d, "", "?vanished=true")
		after := d.changedAt(t, "contacts", "$id")
		moved := 0
		for id, stamp := range before {
			if after[id] != stamp {
				moved++
			}
		}
		if moved == 0 || moved > 250 {
			t.Errorf("$changed moved for %d of %d contacts", moved, len(before))
		}

		sync("--mode", "db_update")
		c.mustHaveLetters(t, d)
		if again := d.changedAt(t, "contacts", "$id"); !maps.Equal(after, again) {
			t.Error("$changed moved although nothing changed")
		}
	})
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	mirrored(t, campaign.Options{Contacts: 50, Fields: 3, Plain: true}, func(t *testing.T, c *callCentre, d database) {
		state := t.TempDir()
		run := func(more ...string) string {
			t.Helper()
			return succeed(t, 0, command(t, state, nil, append([]string{"contacts", "sync"}, c.flags(d, append(more, "--mode", "db_init", "--json")...)...)...))
		}
		if out := run("--dry-run"); !strings.Contains(out, `"inserted":50`) {
			t.Errorf("dry run: %s", out)
		}
		if d.holds(t, "contacts") || d.holds(t, "ferryman_state") {
			t.Error("a dry run made tables")
		}
		run()
		if out := run("--dry-run"); strings.Contains(out, `"inserted":50`) {
			t.Errorf("dry run when all is there: %s", out)
		}
		c.mustMirror(t, d, "", "")
	})
}

func TestVerifyFindsAndRepairs(t *testing.T) {
	t.Parallel()
	mirrored(t, campaign.Options{Contacts: 60, Fields: 3, Plain: true}, func(t *testing.T, c *callCentre, d database) {
		state := t.TempDir()
		succeed(t, 0, command(t, state, nil, append([]string{"contacts", "sync"}, c.flags(d, "--mode", "db_init")...)...))
		verify := func(more ...string) (int, string) {
			t.Helper()
			code, out, problems := finish(t, command(t, state, nil, append([]string{"contacts", "verify"}, c.flags(d, more...)...)...))
			return code, out + problems
		}
		if code, out := verify("--rows"); code != 0 {
			t.Fatalf("a perfect mirror: %d %s", code, out)
		}
		quote := `"`
		if strings.HasPrefix(d.url, "mysql") {
			quote = "`"
		}
		for _, statement := range []string{
			"DELETE FROM transactions WHERE id = (SELECT id FROM (SELECT min(id) AS id FROM transactions) AS t)",
			"UPDATE connections SET phone = 'tampered' WHERE id = (SELECT id FROM (SELECT max(id) AS id FROM connections) AS t)",
			"UPDATE contacts SET " + quote + "$md5" + quote + " = 'x' WHERE " + quote + "$id" + quote + " = (SELECT id FROM (SELECT min(" + quote + "$id" + quote + ") AS id FROM contacts) AS t)",
			"INSERT INTO recordings (id, contact_id, " + quote + "$changed" + quote + ") SELECT 'stray', min(" + quote + "$id" + quote + "), '' FROM contacts",
		} {
			if _, err := d.ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		c.change(t, 3, "delete")
		if code, out := verify("--rows"); code == 0 {
			t.Errorf("a tampered mirror passes: %s", out)
		}
		if code, out := verify("--rows", "--repair"); code != 0 {
			t.Errorf("repair: %d %s", code, out)
		}
		c.mustMirror(t, d, "", "")
		if code, out := verify("--rows"); code != 0 {
			t.Errorf("after the repair: %d %s", code, out)
		}
	})
}

// TestTheOriginalsCommandsWork runs the commands of the original client's manual.
func TestTheOriginalsCommandsWork(t *testing.T) {
	t.Parallel()
	c, d := newCallCentre(t, campaign.Options{Contacts: 40, Fields: 3, Plain: true}), postgresDatabase(t)
	state := t.TempDir()
	// The manual's example, but for the database and with an end.
	succeed(t, 0, asDBSync2(t, state, "--a", "db_init", "--fm", "hi_updates_only", "--fp", "fc_,qc_", "--c", campaign.DefaultCampaign,
		"--ct", campaign.DefaultToken, "--s", "2018-02-01", "--url", d.url, "--base-url", c.url))
	c.mustMirror(t, d, "", "?fm=hi_updates_only&fp=fc_,qc_")

	other := asDBSync2(t, state, "-a", "db_init", "-tp", "spring_")
	other.Env = append(other.Env, "DBSYNC_C="+campaign.DefaultCampaign, "DBSYNCCT="+campaign.DefaultToken, "DBSYNC_URL="+d.url, "DBSYNC_BASE_URL="+c.url)
	succeed(t, 0, other)
	c.mustMirror(t, d, "spring_", "")

	help := asDBSync2(t, state, "--help")
	if out := succeed(t, 0, help); !strings.Contains(out, "db_sync") || !strings.Contains(out, "DBSYNC_CT") {
		t.Errorf("help: %s", out)
	}
	refused := asDBSync2(t, state, "-a", "db_init", "-c", campaign.DefaultCampaign, "-ct", "wrong", "-url", d.url, "-base-url", c.url)
	code, out, problems := finish(t, refused)
	if password := "wrong"; code != 2 || strings.Contains(out+problems, password+"\"") {
		t.Errorf("a bad token: %d\n%s\n%s", code, out, problems)
	}
	logs, err := filepath.Glob(filepath.Join(refused.Dir, ".dbsync", "logs", campaign.DefaultCampaign+"_db_init_*.log"))
	if system, _ := filepath.Glob("/var/log/dbsync/" + campaign.DefaultCampaign + "_db_init_*.log"); err != nil || len(logs)+len(system) == 0 {
		t.Errorf("no log file: %v", err)
	}
}

// TestAMirrorSurvivesFaults has the API misbehave in every way while contacts
// change, the database cuts connections, and the client is killed again and again.
func TestAMirrorSurvivesFaults(t *testing.T) {
	t.Parallel()
	mirrored(t, campaign.Options{Contacts: 400, Fields: 5, Rate: 20}, func(t *testing.T, c *callCentre, d database) {
		state := t.TempDir()
		for _, fault := range []string{
			`{"kind":"status","status":503,"probability":0.05,"seed":1}`,
			`{"kind":"status","status":429,"retry_after":"1","probability":0.02,"seed":2}`,
			`{"kind":"reset","probability":0.05,"seed":3}`,
			`{"kind":"truncate","probability":0.05,"seed":4}`,
			`{"kind":"invalid_json","probability":0.05,"seed":5}`,
			`{"kind":"empty","probability":0.03,"seed":6}`,
			`{"kind":"garbage","probability":0.03,"seed":7}`,
			`{"kind":"status","status":403,"probability":0.01,"seed":8}`,
		} {
			c.control(t, "POST", "/faults", fault)
		}
		random := rand.New(rand.NewPCG(1, uint64(len(d.url))))
		for range 6 {
			follower := command(t, state, nil, append([]string{"contacts", "sync"}, c.flags(d, "--mode", "db_sync", "--every", "1s", "--per-call", "5", "--workers", "4")...)...)
			if err := follower.Start(); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				select {
				case <-time.After(time.Duration(200+random.IntN(900)) * time.Millisecond): // any instant
				case <-t.Context().Done():
				}
				d.cut(t)
			}
			_ = follower.Process.Kill()
			_ = follower.Wait()
		}
		c.control(t, "DELETE", "/faults", "")
		c.control(t, "POST", "/quiesce", "")
		succeed(t, 4, command(t, state, nil, append([]string{"contacts", "sync"}, c.flags(d, "--mode", "db_sync", "--once")...)...))
		c.mustMirror(t, d, "", "?vanished=true")
	})
}

// TestASignalFinishesTheBatch stops a client in mid-load.
func TestASignalFinishesTheBatch(t *testing.T) {
	t.Parallel()
	c, d := newCallCentre(t, campaign.Options{Contacts: 1000, Fields: 3, Plain: true}), postgresDatabase(t)
	c.control(t, "POST", "/faults", `{"kind":"delay","delay":"100ms"}`) // the load lasts
	state := t.TempDir()
	loading := command(t, state, nil, append([]string{"contacts", "sync"}, c.flags(d, "--mode", "db_sync")...)...)
	if err := loading.Start(); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "the first contacts", func() bool { return d.holds(t, "contacts") })
	if err := loading.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = loading.Wait()
	if code := loading.ProcessState.ExitCode(); code != 143 {
		t.Errorf("exit code %d", code)
	}
	c.control(t, "DELETE", "/faults", "")
	// What landed has landed whole.
	if n := d.column(t, `SELECT count(*) FROM transactions WHERE contact_id NOT IN (SELECT "$id" FROM contacts)`); n[0] != "0" {
		t.Errorf("%s transactions without their contact", n[0])
	}
	succeed(t, 0, command(t, state, nil, append([]string{"contacts", "sync"}, c.flags(d, "--mode", "db_sync", "--once")...)...))
	c.mustMirror(t, d, "", "")
}

// campaignsFile writes a file of campaigns.
func campaignsFile(t testing.TB, entries ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "campaigns.yaml")
	if err := os.WriteFile(path, []byte("campaigns:\n"+strings.Join(entries, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAServerSyncsItsCampaigns(t *testing.T) {
	t.Parallel()
	u, c, d := newUpstream(t), newCallCentre(t, campaign.Options{Contacts: 60, Fields: 3, Plain: true}), postgresDatabase(t)
	file := campaignsFile(t, fmt.Sprintf("  - {name: spring, id: %s, token: %s, base_url: %q, target: %q, mode: db_sync}\n",
		campaign.DefaultCampaign, campaign.DefaultToken, c.url, d.url))
	n := serve(t, t.TempDir(), append(u.env(), manual, "FERRYMAN_CAMPAIGNS_FILE="+file))
	rows := func() int {
		if !d.holds(t, "contacts") {
			return 0
		}
		return len(d.standing(t, "contacts", "$id"))
	}
	testwait.Until(t, "the first load", func() bool {
		_, runs := do(t, "GET", n.url+"/api/v1/syncs", "") // those that have ended
		return strings.Contains(runs, "contacts-spring")
	})
	if got := rows(); got != 60 {
		t.Errorf("the first load brought %d contacts", got)
	}
	c.change(t, 5, "contact")
	testwait.Until(t, "a run that is asked for", func() bool {
		status, answer := do(t, "POST", n.url+"/api/v1/syncs/contacts-spring/run", "")
		if status != 202 {
			t.Fatalf("run: %d %s", status, answer)
		}
		return rows() == 65
	})
	c.mustMirror(t, d, "", "")
	_, page := do(t, "GET", n.url+"/ui/crons", "")
	if !strings.Contains(page, "contacts-spring") {
		t.Error("the page of crons does not show the campaign")
	}
}

// TestCampaignsMayShareTables repairs the mirror of one campaign where another one's
// contacts are, too.
func TestCampaignsMayShareTables(t *testing.T) {
	t.Parallel()
	c, d, state := newCallCentre(t, campaign.Options{Contacts: 30, Fields: 3, Plain: true}), sqliteDatabase(t), t.TempDir()
	if err := c.Put(campaign.Options{Campaign: "OTHER", Contacts: 40, Fields: 3, Plain: true, Seed: 7}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{campaign.DefaultCampaign, "OTHER"} {
		succeed(t, 0, command(t, state, nil, append([]string{"contacts", "sync"}, c.flags(d, "--mode", "db_init", "--campaign", id)...)...))
	}
	if n := len(d.standing(t, "contacts", "$id")); n != 70 {
		t.Fatalf("%d contacts, want 70", n)
	}
	for _, args := range [][]string{{"--rows"}, {"--repair"}, {"--rows", "--repair"}} {
		succeed(t, 0, command(t, state, nil, append([]string{"contacts", "verify"}, c.flags(d, args...)...)...))
	}
	if n := len(d.standing(t, "contacts", "$id")); n != 70 {
		t.Errorf("%d contacts after the repair of one campaign, want 70", n)
	}
}
