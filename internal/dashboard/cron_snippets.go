package dashboard

import (
	"strings"

	"ferryman/internal/ledger"
)

// snippet is text to paste into a job.
type snippet struct {
	ID   string
	Name string
	Text string
}

// snippetsFor are the ways to report a cron, or to run one of our own.
func snippetsFor(url string, c *ledger.Cron) []snippet {
	all := reportSnippets
	if c.Kind == ledger.Sync {
		all = runSnippets
	}
	// A slug is letters, digits, _ and -, and the URL was checked: neither needs quoting.
	fill := strings.NewReplacer("{url}", url, "{slug}", c.Slug)
	some := make([]snippet, len(all))
	for i, s := range all {
		some[i] = snippet{s.ID, s.Name, strings.TrimSpace(fill.Replace(s.Text))}
	}
	return some
}

var runSnippets = []snippet{
	{"run", "curl", `
curl -fsS -X POST -H "X-API-KEY: $FERRYMAN_API_KEY" {url}/api/v1/syncs/{slug}/run
`},
}

var reportSnippets = []snippet{
	{"exec", "ferryman cron exec", `
# Before the job, in a crontab or anywhere else. Its output, signals and exit code
# pass through; if the server cannot be reached the job runs all the same.
export FERRYMAN_URL={url}
export FERRYMAN_API_KEY_FILE=/etc/ferryman/key
ferryman cron exec {slug} -- /usr/local/bin/your-job
`},
	{"curl", "curl", `
id=$(curl -fsS -X POST -H "X-API-KEY: $FERRYMAN_API_KEY" -H "Accept: text/plain" {url}/api/{slug}/start)
curl -fsS -H "X-API-KEY: $FERRYMAN_API_KEY" {url}/api/$id/message -d '{"type":"info","message":"half way"}'
curl -fsS -H "X-API-KEY: $FERRYMAN_API_KEY" {url}/api/$id/end -d '{"success":true,"type":"success","message":"done"}'
`},
	{"sh", "Shell", `
#!/bin/sh
# A start that is refused (418: paused, 409: still running) skips the job; without
# an answer the job runs all the same.
call() { curl -sS -m 15 -H "X-API-KEY: $FERRYMAN_API_KEY" "$@"; }
answer=$(call -X POST -H "Accept: text/plain" -w '\n%{http_code}' {url}/api/{slug}/start)
code=${answer##*
}
id=${answer%%
*}
case $code in 418 | 409) exit 0 ;; esac

/usr/local/bin/your-job
exit=$?

if [ "$code" = 200 ]; then
	if [ $exit -eq 0 ]; then how='"success":true,"type":"success"'; else how='"success":false,"type":"error"'; fi
	call {url}/api/$id/end -d "{$how,\"exit_code\":$exit}" >/dev/null
fi
exit $exit
`},
	{"php", "PHP", `
<?php
function ferryman(string $path, array $body = []): array {
    $context = stream_context_create(['http' => [
        'method' => 'POST', 'timeout' => 15, 'ignore_errors' => true, 'content' => json_encode((object) $body),
        'header' => ['Content-Type: application/json', 'X-API-KEY: ' . getenv('FERRYMAN_API_KEY')],
    ]]);
    $text = @file_get_contents("{url}/api/$path", false, $context);
    preg_match('/ (\d{3})/', $http_response_header[0] ?? '', $status);
    return [(int) ($status[1] ?? 0), json_decode($text ?: 'null', true)];
}

[$status, $run] = ferryman('{slug}/start');
if ($status === 418 || $status === 409) {
    exit(0); // paused, or still running
}
$end = ['success' => true, 'type' => 'success'];
try {
    your_job();
} catch (Throwable $e) {
    $end = ['success' => false, 'type' => 'error', 'message' => $e->getMessage()];
    throw $e;
} finally {
    if ($status === 200) {
        ferryman($run['id'] . '/end', $end);
    }
}
`},
	{"python", "Python", `
import json, os, urllib.error, urllib.request

def ferryman(path, **body):
    request = urllib.request.Request("{url}/api/" + path, json.dumps(body).encode(), {
        "Content-Type": "application/json", "X-API-KEY": os.environ["FERRYMAN_API_KEY"]})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None
    except OSError:
        return 0, None  # the job runs all the same

status, run = ferryman("{slug}/start")
if status in (418, 409):  # paused, or still running
    raise SystemExit
end = {"success": True, "type": "success"}
try:
    your_job()
except Exception as error:
    end = {"success": False, "type": "error", "message": str(error)}
    raise
finally:
    if status == 200:
        ferryman(f"{run['id']}/end", **end)
`},
	{"go", "Go", `
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"
)

var client = http.Client{Timeout: 15 * time.Second}

// ferryman makes a call; the status is 0 without an answer.
func ferryman(path string, body any) (status int, id int64) {
	text, _ := json.Marshal(body)
	r, _ := http.NewRequest("POST", "{url}/api/"+path, bytes.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-KEY", os.Getenv("FERRYMAN_API_KEY"))
	answer, err := client.Do(r)
	if err != nil {
		return 0, 0
	}
	defer answer.Body.Close()
	var run struct{ ID int64 }
	json.NewDecoder(answer.Body).Decode(&run)
	return answer.StatusCode, run.ID
}

func main() {
	status, id := ferryman("{slug}/start", map[string]any{})
	if status == 418 || status == 409 {
		return // paused, or still running
	}
	end := map[string]any{"success": true, "type": "success"}
	err := yourJob()
	if err != nil {
		end = map[string]any{"success": false, "type": "error", "message": err.Error()}
	}
	if status == 200 {
		ferryman(fmt.Sprintf("%d/end", id), end)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`},
	{"systemd", "systemd", `
# /etc/systemd/system/{slug}.service; start it by a timer of the same name
[Unit]
Description={slug}, reported to Ferryman
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
Environment=FERRYMAN_URL={url}
Environment=FERRYMAN_API_KEY_FILE=/etc/ferryman/key
ExecStart=/usr/local/bin/ferryman cron exec {slug} -- /usr/local/bin/your-job
`},
}
