package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ferryman/api"
	"ferryman/internal/e2e/program"
	"ferryman/internal/testwait"
)

// gossip is an API that repeats to everybody whatever it was told, with every kind of
// answer in turn.
func gossip(t testing.TB) string {
	t.Helper()
	turn := make(chan int, 1)
	turn <- 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := <-turn
		turn <- n + 1
		body, _ := io.ReadAll(r.Body) // what comes of it is repeated
		told := fmt.Sprintf("you said %s %s %v %s", r.Method, r.URL, r.Header, body)
		w.Header().Set("X-Told", url.QueryEscape(told))
		statuses := [...]int{401, 500, 302, 200, 403, 429, 400}
		status := statuses[n%len(statuses)]
		w.Header().Set("Location", "/elsewhere?told="+url.QueryEscape(told))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		text, _ := json.Marshal(map[string]any{"ok": false, "error_code": status, "description": told, "error": told, "message": told, "status_message": told})
		w.Write(text)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// kept are secrets of this test alone, by what they are for.
func kept(t testing.TB, name string) string {
	secret := "canary-" + strings.ReplaceAll(name, " ", "-") + "-4b1d+/9f&7c"
	program.Secret(t, name, secret)
	return secret
}

// TestSecretsStayInside gives a server every secret that there is, has everything go
// wrong that they are used for, looks at every page, makes every call and runs every
// command. What it all says is searched when the tests have ended.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	for name, book := range books {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, folder, upstream := t.TempDir(), t.TempDir(), gossip(t)
			env, _ := book(t, state)
			wrong := func(scheme, server string) string {
				u := url.URL{Scheme: scheme, User: url.UserPassword("ferry", kept(t, "password of a target")), Host: server, Path: "/x"}
				return u.String()
			}
			hook := &url.URL{Scheme: "http", User: url.UserPassword("ferry", kept(t, "password of a webhook")), Path: "/hooks/" + kept(t, "path of a webhook")}
			hook.Host = strings.TrimPrefix(upstream, "http://")
			hook.RawQuery = url.Values{"token": {kept(t, "query of a webhook")}}.Encode()
			write := func(name, text string) string {
				path := filepath.Join(folder, name)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			campaigns := fmt.Sprintf(`campaigns:
  - {id: ABCDEFGH23456789, name: sales, token_file: %s, target: %q, base_url: %s, start: 2024-01-01}
  - {id: ABCDEFGH23456788, name: hooks, token: %q, target: %q, base_url: %s, start: 2024-01-01}
`, write("token", kept(t, "token of a campaign in a file")), wrong("postgres", "127.0.0.1:1"), upstream,
				kept(t, "token of a campaign"), hook, upstream)
			const telegram = "700100200:Canary-of-Telegram_4b1d9f7c"
			pg := postgresDatabase(t)
			refused, err := url.Parse(pg.url)
			if err != nil {
				t.Fatal(err)
			}
			refused.User = url.UserPassword("postgres", kept(t, "wrong password"))
			env = append(env,
				"FERRYMAN_SECRET="+kept(t, "secret of the store"), "FERRYMAN_LOG_LEVEL=debug", "INTERVAL_SCHEDULER_SECONDS=1",
				"API_BASE_URL="+upstream, "API_USER=me", "API_PASSWORD="+kept(t, "password of the API"), "WAREHOUSE_DATABASE_URL="+refused.String(),
				"TELEGRAM_TOKEN="+telegram, "TELEGRAM_BASE_URL="+upstream,
				"VIBER_TOKEN="+kept(t, "token of Viber"), "VIBER_BASE_URL="+upstream,
				"WHATSAPP_TOKEN="+kept(t, "token of WhatsApp"), "WHATSAPP_BASE_URL="+upstream, "WHATSAPP_PHONE_NUMBER_ID=4711",
				"FERRYMAN_CAMPAIGNS_FILE="+write("campaigns.yaml", campaigns), "FERRYMAN_WEBHOOK_ALLOW_HOSTS="+hook.Host,
			)
			program.Secret(t, "token of Telegram", telegram)
			n := serve(t, state, env)
			keys := map[string]string{}
			ferryman(t, state, env, "app", "add", "shop")
			for who, scope := range map[string]string{"shop": "ping", "ferryman": "admin"} {
				keys[who] = ferryman(t, state, env, "key", "create", "--app", who, "--scope", scope)
			}
			write("url", hook.String())
			commands(t, state, env, folder, hook)
			sign := browse(t, n.url, keys["ferryman"])
			calls(t, n.url, keys)
			testwait.Until(t, "a sync has failed", func() bool { return strings.Contains(n.logged(), "sync failed") })
			testwait.Until(t, "a delivery has failed", func() bool { return strings.Contains(ferryman(t, state, env, "outbox", "list", "--json"), "http_") })
			pages(t, n.url, sign) // once more, with all that went wrong

			exported(t, filepath.Join(folder, "store.export"))
			if err := n.cmd.Process.Signal(syscall.SIGQUIT); err != nil { // Go tells of all that it is at
				t.Fatal(err)
			}
			<-n.done
			if !strings.Contains(n.logged(), "goroutine 1 ") {
				t.Error("the crash told nothing")
			}
		})
	}
}

// patience is how long a command may try what cannot be done: then it is called off.
const patience = 3 * time.Second

// commands runs each command that there is in the form that programs read, well or not.
func commands(t *testing.T, state string, env []string, folder string, hook *url.URL) {
	t.Helper()
	manual := t.TempDir()
	ferryman(t, state, nil, "man", manual)
	inJSON := map[string]bool{}
	files, err := os.ReadDir(manual)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(manual, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		words, ours := strings.CutPrefix(strings.TrimSuffix(f.Name(), ".1"), "ferryman-")
		if ours && strings.Contains(string(text), `\-\-json`) {
			inJSON[words] = true
		}
	}
	if len(inJSON) < 40 {
		t.Fatalf("only %d commands: the manual has changed", len(inJSON))
	}
	file := func(name string) string { return filepath.Join(folder, name) }
	for _, line := range []string{
		"app add other", "app list", "app rm other", "cron add nightly --app shop --every 1h", "cron edit nightly --app shop --grace 5m", "cron list", "cron show nightly --app shop",
		"cron mute nightly --app shop", "cron unmute nightly --app shop", "cron snooze nightly --app shop --for 1h", "cron pause nightly --app shop",
		"cron resume nightly --app shop", "cron release nightly --app shop", "webhook add pager --url-file " + file("url"), "webhook show pager", "webhook list", "webhook test pager", "webhook rotate pager",
		"webhook set pager --url " + hook.String(), "alert add --via webhook/pager --app shop", "alert add --via telegram --to 123 --app shop", "alert list",
		"alert test --all", "alert rm 2", "push send --to 123 --via telegram --text hello", "push send --to 123 --via viber --text hello",
		"push send --to 4917612345 --via whatsapp --text hello", "push list", "push show 1", "push move 1 --at 2099-01-02T03:04Z", "push cancel 1", "push retry 1",
		"outbox list", "outbox show 1", "outbox stats", "outbox replay --id 1", "outbox pause telegram --reason tests", "outbox resume telegram",
		"maintenance add --app shop --for 1h --reason tests", "maintenance list", "maintenance rm 1", "cron spool", "cron spool --send --all", "key list", "key create --app shop --scope ping",
		"key revoke 7k3m9x2p", "node list", "contacts list", "contacts sync --campaign sales", "contacts sync --campaign hooks", "contacts verify --campaign sales",
		"warehouses sync", "config show", "doctor", "doctor --offline", "migrate", "version", "export " + file("store.export"), "import " + file("store.export"),
		"backup " + file("copy.db"), "restore " + file("copy.db"), "cron rm nightly --app shop", "webhook rm absent",
	} {
		args := strings.Fields(line)
		words := args[0]
		if len(args) > 1 && inJSON[args[0]+"-"+args[1]] {
			words += "-" + args[1]
		}
		delete(inJSON, words)
		for _, more := range [][]string{{"--json"}, nil} {
			cmd := command(t, state, env, append(args, more...)...)
			cmd.Env = append(cmd.Env, "API_TIMEOUT_SECONDS=2")
			_, _, _ = program.RunFor(t, patience, cmd) // what it says is what matters
		}
	}
	delete(inJSON, "webhook-rm")
	if len(inJSON) > 0 {
		t.Errorf("these commands were not run: %v", slices.Sorted(maps.Keys(inJSON)))
	}
}

// browse signs in, and looks at all pages.
func browse(t *testing.T, base, key string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: testwait.Limit}
	field := regexp.MustCompile(`name="csrf" value="([^"]+)"`)
	form := field.FindStringSubmatch(look(t, client, base+"/ui/sign-in"))
	if form == nil {
		t.Fatal("the form has no token")
	}
	for _, given := range []string{"fm_" + strings.Repeat("0", 40), key} {
		res, err := client.PostForm(base+"/ui/sign-in", url.Values{"key": {given}, "csrf": {form[1]}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		program.Saw(t, "answer to POST /ui/sign-in", string(text))
	}
	at, err := url.Parse(base + "/ui/")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range jar.Cookies(at) {
		if c.Name == "ferryman_session" {
			program.Secret(t, "the cookie of a session", c.Value)
		}
	}
	if pages(t, base, client) < 40 {
		t.Error("few pages: is the sign-in another?")
	}
	return client
}

// pages looks at each page that a link leads to, and gives how many there are.
func pages(t *testing.T, base string, client *http.Client) int {
	t.Helper()
	const most = 400
	link := regexp.MustCompile(`(?:href|src|action|data-[a-z]+)="(/ui/[^"#]*)`)
	waiting, seen, kinds := []string{"/ui/"}, map[string]bool{"/ui/": true}, map[string]int{}
	for len(waiting) > 0 && len(seen) < most {
		path := waiting[0]
		waiting = waiting[1:]
		for _, m := range link.FindAllStringSubmatch(look(t, client, base+path), -1) {
			next := strings.ReplaceAll(m[1], "&amp;", "&")
			kind := regexp.MustCompile(`\d+`).ReplaceAllString(next, "0")
			if kinds[kind]++; !seen[next] && kinds[kind] <= 3 && !strings.HasPrefix(next, "/ui/live") && !strings.HasPrefix(next, "/ui/static/") {
				seen[next] = true
				waiting = append(waiting, next)
			}
		}
	}
	return len(seen)
}

func look(t *testing.T, client *http.Client, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	program.Saw(t, "page "+req.URL.Path, fmt.Sprint(res.StatusCode, res.Header)+string(text))
	return string(text)
}

// calls makes each call of the API as each holder of a key, and as those without a good
// one; with what is there and what is not, and with keys where they do not belong.
func calls(t *testing.T, base string, keys map[string]string) {
	t.Helper()
	text, err := api.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &described); err != nil {
		t.Fatal(err)
	}
	keys = maps.Clone(keys)
	keys["nobody"] = ""
	keys["somebody"] = "fm_" + strings.Repeat("0", 40)
	made := 0
	for path, methods := range described.Paths {
		for method := range methods {
			if method == "parameters" {
				continue
			}
			for _, with := range []string{"1", "nightly", "telegram"} {
				at := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(path, with)
				for who, key := range keys {
					made++
					var headers []string
					if key != "" {
						headers = []string{"X-API-KEY", key}
					}
					body := ""
					if method != "get" {
						body = `{"type":"info","message":"m","reason":"r","until":"2099-01-01T00:00:00Z"}`
					}
					if who == "nobody" { // who does not know how to send it
						for _, k := range keys {
							at += "?api_key=" + k
							headers = []string{"Authorization", "Bearer " + k}
							break
						}
					}
					program.Do(t, strings.ToUpper(method), base+at, body, headers...)
				}
				if at == path {
					break
				}
			}
		}
	}
	if made < 300 {
		t.Errorf("only %d calls", made)
	}
}

// exported has what an export holds searched: hashes of keys, and what is sealed.
func exported(t *testing.T, file string) {
	t.Helper()
	zipped, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || !bytes.Contains(text, []byte("api_keys")) {
		t.Fatalf("this is no export: %v", err)
	}
	program.Saw(t, "file of ferryman export", string(text))
	if copied, err := os.ReadFile(filepath.Join(filepath.Dir(file), "copy.db")); err == nil {
		program.Saw(t, "file of ferryman backup", string(copied))
	}
}
