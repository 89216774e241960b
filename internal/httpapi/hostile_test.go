package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

// hostileTexts are what a careless server takes for a part of its SQL, of a pattern or
// of a header, and what databases do not take at all.
func hostileTexts() []string {
	return []string{
		"'", "''", `"`, "`", `\`, `\'`, "%", "_", "%%%", "'; DROP TABLE crons; --", `"; DROP TABLE crons; --`, "1 OR 1=1", "' OR '1'='1", "1;SELECT pg_sleep(60)",
		"$1", "?", ":name", "@p1", "/*", "*/", "--", "#", "NULL", "null", "E'\\x00'", "\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "\u202e", "😀", "ﬁ", "İ",
		"\r\nX-Evil: 1", "\n", "-1", "0", "1e309", "9223372036854775807", "9223372036854775808", "18446744073709551616", "NaN", "0x10", "01", "١",
		"2026-02-30", "99999-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "2026-01-01T00:00:00+99:99", "9999-12-31T23:59:59.999999999Z", strings.Repeat("a", 600), strings.Repeat("'", 400),
		"<script>alert(1)</script>", "../../etc/passwd", "{}", "[]", "a[b]", "((((", "\\Q", "*", "(SELECT key_hash FROM keys)",
	}
}

// asked is a parameter of a list.
type asked struct{ path, name string }

// lists are all parameters of all GETs that are described.
func lists(t *testing.T, cron, execution, delivery int64) (all []asked) {
	t.Helper()
	ids := strings.NewReplacer(
		"/crons/{id}", fmt.Sprint("/crons/", cron), "/executions/{id}", fmt.Sprint("/executions/", execution), "/deliveries/{id}", fmt.Sprint("/deliveries/", delivery),
		"/messages/{id}", fmt.Sprint("/messages/", delivery), "{slug}", "nightly",
	)
	for path, item := range description(t).Paths.Map() {
		if item.Get == nil {
			continue
		}
		for _, p := range slices.Concat(item.Parameters, item.Get.Parameters) {
			if p.Value.In == "query" {
				all = append(all, asked{ids.Replace(path), p.Value.Name})
			}
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d parameters are described", len(all))
	}
	return all
}

// looked makes the call, which must be answered, or refused for what it says.
func (o *office) looked(a asked, value string) {
	o.t.Helper()
	query := url.Values{a.name: {value}}.Encode()
	answer, err := o.try("GET", a.path+"?"+query, "", "X-API-KEY", o.operator)
	if err != nil {
		o.t.Errorf("%s?%s: %v", a.path, query, err)
		return
	}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
	default:
		o.t.Errorf("%s?%s: %d %s", a.path, query, answer.StatusCode, answer.text)
	}
	if len(answer.Header["X-Evil"]) > 0 {
		o.t.Errorf("%s?%s makes a header", a.path, query)
	}
}

// standing counts the rows of the tables that lists are read from, but for refused calls:
// those of applications are kept.
func (o *office) standing() string {
	o.t.Helper()
	var all []string
	for _, table := range []string{"applications", "api_keys", "crons", "executions", "messages", "events", "deliveries", "maintenance_windows"} {
		var n int64
		err := o.store.Tx(o.t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(o.t.Context(), "SELECT count(*) FROM "+table).Scan(&n)
		})
		if err != nil {
			o.t.Fatalf("%s: %v", table, err)
		}
		all = append(all, fmt.Sprint(table, " ", n))
	}
	return strings.Join(all, ", ")
}

// TestHostileLists gives each parameter of each list each of the texts, on real databases.
func TestHostileLists(t *testing.T) {
	filled(t, func(o *office, ids []int64) {
		o.keyRate = nil
		cron := o.newCron("nightly")
		execution := o.started("nightly")
		before, all := o.standing(), lists(t, cron.ID, execution, ids[0])
		for _, a := range all {
			for _, text := range hostileTexts() {
				o.looked(a, text)
			}
		}
		if after := o.standing(); after != before {
			t.Errorf("there were %s, and are %s", before, after)
		}
		for line := range strings.Lines(o.log.String()) {
			if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"level":"WARN"`) {
				t.Errorf("logged %s", line)
			}
		}
		t.Logf("%d parameters, %d texts", len(all), len(hostileTexts()))
	})
}

// FuzzLists gives them any.
func FuzzLists(f *testing.F) {
	for i, text := range hostileTexts() {
		f.Add(uint(i), text)
	}
	clock := &clock{}
	clock.set(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	at := dbtest.SQLite(filepath.Join(f.TempDir(), "store.db"))
	o := staff(moor(f, at, dbtest.Open(f, at, quick(clock)), clock))
	o.keyRate = nil
	cron := o.newCron("nightly")
	execution := o.started("nightly")
	var all []asked
	f.Fuzz(func(t *testing.T, which uint, text string) {
		if all == nil {
			all = lists(t, cron.ID, execution, 1)
			slices.SortFunc(all, func(a, b asked) int { return strings.Compare(a.path+" "+a.name, b.path+" "+b.name) })
		}
		o.t = t
		o.looked(all[which%uint(len(all))], text)
	})
}
