package doctor

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

func TestStore(t *testing.T) {
	file := db.Examination{Dialect: db.SQLite, There: true, Path: "/s.db", Bytes: 2048, Version: 8, Newest: 8}
	server := db.Examination{
		Dialect: db.Postgres, There: true, Version: 8, Newest: 8, Server: "15.1", User: "u", Latency: time.Millisecond, MayCreate: true, MayWrite: true,
	}
	sound := [2]string{"ok", "/s.db, 2.0 KiB, is sound; no server serves it"}
	answers := [2]string{"ok", "PostgreSQL 15.1 answers user u in 1ms"}
	same := [2]string{"ok", "its schema is version 8"}
	for name, tt := range map[string]struct {
		of     db.Examination
		change func(*db.Examination)
		want   [][2]string
	}{
		"a sound file": {file, func(*db.Examination) {}, [][2]string{sound, same}},
		"served":       {file, func(e *db.Examination) { e.Served = true }, [][2]string{{"ok", "a server serves it"}, same}},
		"no file":      {file, func(e *db.Examination) { e.There = false }, [][2]string{{"ok", "not there yet"}}},
		"damaged":      {file, func(e *db.Examination) { e.Damage = "row 3" }, [][2]string{{"problem", "damaged: row 3 → stop the server"}}},
		"a large WAL":  {file, func(e *db.Examination) { e.WAL = 1 << 30 }, [][2]string{sound, {"warning", "grown to 1.0 GiB"}, same}},
		"empty":        {file, func(e *db.Examination) { e.Version = 0 }, [][2]string{sound, {"ok", "it is empty"}}},
		"older":        {file, func(e *db.Examination) { e.Version = 7 }, [][2]string{sound, {"warning", "version 7, and this ferryman makes it 8 → "}}},
		"newer":        {file, func(e *db.Examination) { e.Version, e.Asked = 9, 9 }, [][2]string{sound, {"problem", "version 9, this ferryman knows up to 8"}}},
		"newer, and it can work with it": {
			file, func(e *db.Examination) { e.Version, e.Asked = 9, 8 },
			[][2]string{sound, {"warning", "of a newer ferryman, with which this one can work"}},
		},
		"a good server": {server, func(*db.Examination) {}, [][2]string{answers, same}},
		"a pooler":      {server, func(e *db.Examination) { e.Pooled = true }, [][2]string{{"problem", "pooler in transaction mode"}}},
		"far away": {
			server, func(e *db.Examination) { e.Latency = 30 * time.Millisecond },
			[][2]string{{"ok", "in 30ms"}, {"warning", "an answer takes 30ms"}, same},
		},
		"a standby": {server, func(e *db.Examination) { e.ReadOnly = true }, [][2]string{answers, {"problem", "default_transaction_read_only is on → name the primary"}, same}},
		"its clock ahead": {
			server, func(e *db.Examination) { e.Ahead = time.Minute },
			[][2]string{answers, {"warning", "the database's clock is 1m0s ahead of this machine's"}, same},
		},
		"its clock behind": {
			server, func(e *db.Examination) { e.Ahead = -time.Minute }, [][2]string{answers, {"warning", "1m0s behind this machine's"}, same},
		},
		"no right to write": {server, func(e *db.Examination) { e.MayWrite = false }, [][2]string{answers, {"problem", "may not write"}, same}},
		"no right to make tables": {
			server, func(e *db.Examination) { e.MayCreate = false }, [][2]string{answers, {"ok", "may not make tables: their owner runs ferryman migrate"}, same},
		},
		"no right to make the tables that are needed": {
			server, func(e *db.Examination) { e.MayCreate, e.Version = false, 0 },
			[][2]string{answers, {"problem", "may not make tables"}, {"ok", "it is empty"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.change(&tt.of)
			found := Store(func(context.Context) (db.Examination, error) { return tt.of, nil }).Look(t.Context())
			wants(t, found, tt.want...)
		})
	}
	fails := func(e db.Examination, err error) []Finding {
		return Store(func(context.Context) (db.Examination, error) { return e, err }).Look(t.Context())
	}
	wants(t, fails(db.Examination{}, &fault.Error{Detail: "it is away", Hint: "start it"}), [2]string{"problem", "it is away → start it"})
	wants(t, fails(file, context.DeadlineExceeded), [2]string{"warning", "could not be looked through"})
}

func TestSecret(t *testing.T) {
	other := &fault.Error{Kind: fault.Unconfigured, Detail: "it differs", Hint: "put it back"}
	for name, tt := range map[string]struct {
		configured   bool
		read, differ error
		needed       bool
		want         [2]string
	}{
		"a setting":            {configured: true, read: errors.New("nobody reads"), want: [2]string{"ok", "FERRYMAN_SECRET can be used"}},
		"a setting that fits":  {configured: true, needed: true, want: [2]string{"ok", "FERRYMAN_SECRET is the one"}},
		"a file":               {want: [2]string{"ok", "/s can be used"}},
		"a file that fits":     {needed: true, want: [2]string{"ok", "/s is the one"}},
		"another one":          {differ: other, want: [2]string{"problem", "it differs → put it back"}},
		"none yet":             {read: fs.ErrNotExist, want: [2]string{"ok", "the first start makes it"}},
		"lost":                 {read: fs.ErrNotExist, needed: true, want: [2]string{"problem", "/s is not there, and the store has keys or webhooks"}},
		"open to other users":  {read: &fault.Error{Kind: fault.Unconfigured, Detail: "it is open", Hint: "chmod 600"}, want: [2]string{"problem", "it is open → chmod 600"}},
		"a folder not entered": {read: &fault.Error{Kind: fault.Unconfigured, Err: fs.ErrNotExist, Hint: "see"}, want: [2]string{"problem", "not exist → see"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := Secret(tt.configured, "/s", func() error { return tt.read }, func(_ context.Context, there bool) (bool, error) {
				if there != (tt.configured || tt.read == nil) {
					t.Errorf("there: %t", there)
				}
				return tt.needed, tt.differ
			}).Look(t.Context())
			wants(t, found, tt.want)
		})
	}
}
