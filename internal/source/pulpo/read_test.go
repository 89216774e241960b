package pulpo

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
	"ferryman/internal/pipeline/pipelinetest"
)

func TestTablesAsContracted(t *testing.T) {
	for _, c := range []struct {
		table    *pipeline.Table
		name     string
		columns  string
		required string
		stamps   string
		key      string
	}{
		{Users(), "users", "id username email employee_id first_name last_name",
			"id username email employee_id first_name last_name", "inserted_at updated_at", "id"},
		{Warehouses(), "warehouses", "id name line1 line2 site city state zip_code country fax phone",
			"id name line1", "inserted_at updated_at", "id"},
		{UsersWarehouses(), "users_warehouses", "user_id warehouse_id", "user_id warehouse_id", "", "user_id warehouse_id"},
	} {
		var columns, required, stamps []string
		for _, col := range c.table.Columns {
			columns = append(columns, col.Name)
			if col.Required {
				required = append(required, col.Name)
			}
			wantType := pipeline.Text
			if col.Name == "id" || c.name == "users_warehouses" {
				wantType = pipeline.Integer
			}
			if col.Type != wantType {
				t.Errorf("%s.%s is %v, want %v", c.name, col.Name, col.Type, wantType)
			}
		}
		for _, s := range c.table.Stamps {
			stamps = append(stamps, s.Name)
			if want := map[string]pipeline.When{"inserted_at": pipeline.OnInsert, "updated_at": pipeline.OnChange}[s.Name]; s.On != want || s.Type != pipeline.Time {
				t.Errorf("%s: stamp %+v", c.name, s)
			}
		}
		if got := []string{c.table.Name, strings.Join(columns, " "), strings.Join(required, " "), strings.Join(stamps, " "), strings.Join(c.table.Key, " ")}; !slices.Equal(got, []string{c.name, c.columns, c.required, c.stamps, c.key}) {
			t.Errorf("got %q", got)
		}
	}
	want := []pipeline.Reference{{Column: "user_id", Table: "users", Key: "id"}, {Column: "warehouse_id", Table: "warehouses", Key: "id"}}
	if got := UsersWarehouses().References; !slices.Equal(got, want) {
		t.Errorf("references %+v", got)
	}
}

func TestRead(t *testing.T) {
	a := newAPI(t)
	batch, err := read(t, a.source(t, Config{Token: "sesame"}))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"GET " + mePath, "GET " + warehousesPath}; !slices.Equal(a.requests(), want) {
		t.Errorf("requests differ from %q", want)
	}
	if !batch.Whole || batch.Next != "" || len(batch.Changes) != 3 {
		t.Fatalf("got whole %t, next %q, %d changes", batch.Whole, batch.Next, len(batch.Changes))
	}
	for i, want := range []struct {
		table string
		rows  [][]any
		scope *pipeline.Scope
	}{
		{"users", [][]any{{int64(4071), "m.oyelaran", "mercy.oyelaran@brightcrate.example", "BC-0417", "Mercy", "Oyelaran"}}, nil},
		{"warehouses", [][]any{
			{int64(1201), "Hafen Süd", "Kai 4", "Tor 2", "S1", "Bremerhaven", "Bremen", "27568", "Germany", "+49 471 555 0102", "+49 471 555 0101"},
			{int64(1202), "Overflow barn", "Long Lane 9", nil, nil, "Louth", nil, nil, "United Kingdom", nil, nil},
			{int64(1340), "倉庫三", "港区芝浦 3-1", nil, nil, "東京", nil, "108-0023", "日本", nil, nil},
			{int64(1377), "Cold store", "", nil, "", "", nil, nil, nil, nil, nil},
			{int64(1502), `Pop-up "Plaza"`, "Stall 7 / B", nil, nil, nil, nil, nil, nil, nil, "call Mercy"},
		}, nil},
		{"users_warehouses", [][]any{{int64(4071), int64(1201)}, {int64(4071), int64(1202)}, {int64(4071), int64(1340)}, {int64(4071), int64(1377)}, {int64(4071), int64(1502)}},
			&pipeline.Scope{Columns: []string{"user_id"}, Parents: [][]any{{int64(4071)}}}},
	} {
		got := batch.Changes[i]
		if got.Table.Name != want.table || !reflect.DeepEqual(got.Rows, want.rows) || !reflect.DeepEqual(got.Scope, want.scope) {
			t.Errorf("change %d: got %s %v %+v\nwant %+v", i, got.Table.Name, got.Rows, got.Scope, want)
		}
	}
}

func TestReadNoWarehouses(t *testing.T) {
	a := newAPI(t)
	a.answer(warehousesPath, text(200, `{"id":4071,"warehouses":[]}`))
	batch, err := read(t, a.source(t, Config{Token: "sesame"}))
	if err != nil {
		t.Fatal(err)
	}
	links := batch.Changes[2]
	if len(batch.Changes[0].Rows) != 1 || len(batch.Changes[1].Rows) != 0 || len(links.Rows) != 0 || links.Scope == nil {
		t.Errorf("got %+v", batch.Changes)
	}
}

func TestReadWarehouseTwice(t *testing.T) {
	a := newAPI(t)
	a.answer(warehousesPath, text(200, `{"id":4071,"warehouses":[{"id":1,"name":"old","line1":"x"},{"id":2,"name":"b","line1":"y"},{"id":1,"name":"new","line1":"z"}]}`))
	batch, err := read(t, a.source(t, Config{Token: "sesame"}))
	if err != nil {
		t.Fatal(err)
	}
	if rows := batch.Changes[1].Rows; len(rows) != 2 || rows[0][1] != "new" || rows[1][1] != "b" {
		t.Errorf("warehouses %v", rows)
	}
	if rows := batch.Changes[2].Rows; len(rows) != 2 {
		t.Errorf("links %v", rows)
	}
}

// A consumer that stops at once, and one that comes again, are both served.
func TestReadIsRepeatable(t *testing.T) {
	s := newAPI(t).source(t, Config{Token: "sesame"})
	for _, err := range s.Read(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	first, err := read(t, s)
	if err != nil {
		t.Fatal(err)
	}
	second, err := read(t, s)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("two reads differ (%v)", err)
	}
}

func TestBaseURL(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:1", "https://wms.example/api/v1/", "http://[::1]:8080/x"} {
		s, err := New(Config{BaseURL: good})
		if err != nil {
			t.Errorf("%q: %v", good, err)
			continue
		}
		s.Close()
	}
	for bad, want := range map[string]string{
		"":                        "does not begin with http",
		"wms.example":             "does not begin with http",
		"/api/v1":                 "does not begin with http",
		"ftp://wms.example":       "does not begin with http",
		"http:wms":                "names no host",
		"http://":                 "names no host",
		"http://:80/x":            "names no host",
		"http://a b":              "is not a URL",
		"http://hunter2@x":        "holds a user or a password",
		"http://me:hunter2@x":     "holds a user or a password",
		"http://me:hunter2@x:y/z": "is not a URL",
		"http://x?t=hunter2":      "holds a query",
		"http://x?":               "holds a query",
		"http://x#hunter2":        "holds a fragment",
	} {
		_, err := New(Config{BaseURL: bad})
		if err == nil {
			t.Errorf("%q was taken", bad)
			continue
		}
		f := faultOf(t, err)
		if f.Kind != fault.Unconfigured || f.Code != "not_configured" || !strings.HasPrefix(f.Detail, "API_BASE_URL "+want) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %+v", bad, f)
		}
	}
}

func TestUserAgent(t *testing.T) {
	a := newAPI(t)
	var agents []string
	for path, file := range map[string]string{mePath: "testdata/users_me.json", warehousesPath: "testdata/users_4071_warehouses.json"} {
		a.answer(path, func(w http.ResponseWriter, r *http.Request) {
			agents = append(agents, r.UserAgent())
			serve(w, file)
		})
	}
	if _, err := read(t, a.source(t, Config{Token: "sesame", Version: "1.2.3"})); err != nil {
		t.Fatal(err)
	}
	if want := []string{"ferryman/1.2.3", "ferryman/1.2.3"}; !slices.Equal(agents, want) {
		t.Errorf("sent %q, want %q", agents, want)
	}
}

func TestTimeout(t *testing.T) {
	a := newAPI(t)
	a.answer(mePath, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := read(t, a.source(t, Config{Token: "sesame", Timeout: 50 * time.Millisecond}))
	if fault.KindOf(err) != fault.Timeout || fault.CodeOf(err) != "timeout" {
		t.Errorf("got %v", err)
	}
}

func TestCancelledRead(t *testing.T) {
	for name, c := range map[string]Config{"token": {Token: "sesame"}, "credentials": {User: "ann", Password: "sesame"}} {
		a := newAPI(t)
		s := a.source(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		a.answer(warehousesPath, func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		for range 2 { // in the midst, and before it begins
			for b, err := range s.Read(ctx, "") {
				if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Canceled || fault.CodeOf(err) != "canceled" || len(b.Changes) > 0 {
					t.Errorf("%s: got %v", name, err)
				}
			}
		}
	}
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]Config{
		"manual token": {Token: "sesame"}, "credentials": {User: "u", Password: "p"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t) // its own: once a token was issued, no other is valid
			pipelinetest.TestSnapshotSource(t, func(t *testing.T) pipeline.Source { return a.source(t, c) })
		})
	}
}
