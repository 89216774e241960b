package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ferryman/internal/pipeline"
)

func TestRowsInColumnOrder(t *testing.T) {
	a := open(t).do("GET", "/api/users", "")
	want := `{"data":[{"id":711,"username":"momoko.quay","email":"momoko.quay@warehouses.example","employee_id":"Q-1000",` +
		`"first_name":"Momoko","last_name":"Quay","inserted_at":"2020-08-16T10:25:57.612004Z","updated_at":"2020-08-16T10:25:57.612004Z"}]}`
	if a.text != want || a.Header.Get("Link") != "" {
		t.Errorf("Link %q\n got %s\nwant %s", a.Header.Get("Link"), a.text, want)
	}
}

// TestPagesJoin follows the links from any first page and finds every row once.
func TestPagesJoin(t *testing.T) {
	h := open(t)
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(0, 40).Draw(t, "rows")
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		step := int64(rapid.IntRange(1, 5).Draw(t, "step"))
		h.rows["users"] = nil
		for i := range total {
			h.rows["users"] = append(h.rows["users"], []any{int64(i)*step - 7, "u", "e", "i", "f", "l", epoch, epoch})
		}
		path, seen, pages := fmt.Sprintf("/api/users?limit=%d", limit), 0, 0
		for path != "" {
			a := h.do("GET", path, "")
			var got struct {
				Data []struct {
					ID int64 `json:"id"`
				} `json:"data"`
			}
			if err := json.Unmarshal([]byte(a.text), &got); err != nil {
				t.Fatal(err)
			}
			for _, row := range got.Data {
				if row.ID != int64(seen)*step-7 {
					t.Fatalf("row %d has id %d", seen, row.ID)
				}
				seen++
			}
			pages++
			path = ""
			if link := a.Header.Get("Link"); link != "" {
				path = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
			}
		}
		if seen != total || pages != max(1, (total+limit-1)/limit) {
			t.Errorf("%d of %d rows on %d pages", seen, total, pages)
		}
	})
}

func TestListParameters(t *testing.T) {
	h := open(t)
	for query, parameter := range map[string]string{
		"limit=0": "limit", "limit=1001": "limit", "limit=": "limit", "limit=ten": "limit", "limit=1&limit=1": "limit",
		"after=": "after", "after=x": "after", "after=1.5": "after", "after=99999999999999999999": "after", "after=%2B5": "after", "after=05": "after", "limit=%2B2": "limit", "after=1&after=2": "after",
	} {
		for _, path := range []string{"/api/users", "/api/warehouses"} {
			p := h.wantProblem(h.do("GET", path+"?"+query, ""), 400, "invalid_parameter")
			if !strings.Contains(p.Detail, parameter) || p.Hint == "" {
				t.Errorf("%s: %+v", query, p)
			}
		}
	}
	h.wantProblem(h.do("GET", "/api/users?limit=%", ""), 400, "invalid_query")
}

func TestGetRow(t *testing.T) {
	h := open(t)
	if a := h.do("GET", "/api/warehouses/1202", ""); !strings.HasPrefix(a.text, `{"data":{"id":1202,"name":"茶箱倉庫"`) {
		t.Error(a.text)
	}
	for _, id := range []string{"0", "-1", "+1202", "01202", "1e3", "x", "1202.0", "12345678901234567890", "%00", "%2e%2e", "1202%20"} {
		h.wantProblem(h.do("GET", "/api/warehouses/"+id, ""), 404, "unknown_id")
	}
	h.broken = errors.New("dial tcp 10.0.0.7: secret place")
	for _, path := range []string{"/api/users", "/api/users/711"} {
		a := h.do("GET", path, "")
		h.wantProblem(a, 500, "internal")
		if strings.Contains(a.text, "secret") {
			t.Errorf("the cause is told: %s", a.text)
		}
	}
}

func TestValues(t *testing.T) {
	table := &pipeline.Table{
		Name: "odd", Key: []string{"id"},
		Columns: []pipeline.Column{
			{Name: "id", Type: pipeline.Integer}, {Name: "price", Type: pipeline.Decimal}, {Name: `na"me`, Type: pipeline.Text},
			{Name: "on", Type: pipeline.Boolean}, {Name: "at", Type: pipeline.Time}, {Name: "none", Type: pipeline.Decimal},
		},
		Stamps: []pipeline.Stamp{{Name: "seen", Type: pipeline.Text}},
	}
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.FixedZone("", 3600))
	row := []any{int64(1) << 60, "12.3400", "<&>\u3000", true, at, nil, "2026"}
	got, err := encode(object{table, row})
	want := `{"id":1152921504606846976,"price":12.3400,"na\"me":"<&>　","on":true,"at":"2026-04-30T23:00:00.000000Z","none":null,"seen":"2026"}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	if _, err := encode(object{table, row[:3]}); err == nil {
		t.Error("a short row passes")
	}
	row[1] = "twelve"
	if _, err := encode(object{table, row}); err == nil {
		t.Error("a decimal that is no number passes")
	}
}
