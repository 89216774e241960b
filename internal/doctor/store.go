package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

const (
	slowQuery = 20 * time.Millisecond
	offClock  = 2 * time.Second
	largeWAL  = 256 << 20
)

// Store judges the own store by what db.Examine gives of it.
func Store(examine func(context.Context) (db.Examination, error)) Check {
	return Check{"store", func(ctx context.Context) []Finding {
		e, err := examine(ctx)
		if errors.Is(err, context.DeadlineExceeded) && e.There {
			return []Finding{Doubtful("run PRAGMA quick_check on a copy that ferryman backup makes", "%s could not be looked through in %v", e.Path, Patience)}
		}
		if err != nil {
			return []Finding{failed(err)}
		}
		if e.Dialect == db.SQLite {
			return append(sqliteFile(e), schema(e)...)
		}
		return append(server(e), schema(e)...)
	}}
}

// sqliteFile tells what only a file has.
func sqliteFile(e db.Examination) []Finding {
	if !e.There {
		return []Finding{Well("%s is not there yet: the first start makes it", e.Path)}
	}
	if e.Damage != "" {
		return []Finding{problem("stop the server and restore a backup: ferryman restore FILE", "%s is damaged: %s", e.Path, e.Damage)}
	}
	by := "no server serves it"
	if e.Served {
		by = "a server serves it"
	}
	found := []Finding{Well("%s, %s, is sound; %s", e.Path, size(uint64(max(e.Bytes, 0))), by)}
	if e.WAL > largeWAL {
		found = append(found, Doubtful("look for a command that reads for long, such as ferryman backup or sqlite3; a restart of the server empties it",
			"%s-wal has grown to %s", e.Path, size(uint64(e.WAL))))
	}
	return found
}

// server tells what only PostgreSQL has.
func server(e db.Examination) (found []Finding) {
	if e.Pooled {
		return []Finding{problem("have the pooler give whole sessions (pool_mode = session), or connect to PostgreSQL itself",
			"FERRYMAN_STORE_URL leads to a pooler in transaction mode: locks and notifications get lost there")}
	}
	found = append(found, Well("PostgreSQL %s answers user %s in %v", e.Server, e.User, e.Latency.Round(10*time.Microsecond)))
	if e.Latency > slowQuery {
		found = append(found, Doubtful("bring the server and its database closer together: each report waits for several such answers",
			"an answer takes %v", e.Latency.Round(time.Millisecond)))
	}
	if e.ReadOnly {
		found = append(found, problem("name the primary server in FERRYMAN_STORE_URL", "it takes no writes: it is a standby, or default_transaction_read_only is on"))
	}
	if !e.MayWrite {
		found = append(found, problem("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA … TO "+e.User, "user %s may not write to Ferryman's tables", e.User))
	}
	if ahead := e.Ahead.Abs(); ahead > offClock+e.Latency {
		found = append(found, clock("the database's", e.Ahead))
	}
	if !e.MayCreate {
		f := Well("user %s may not make tables: their owner runs ferryman migrate before each upgrade", e.User)
		if e.Version < e.Newest {
			f = problem("run ferryman migrate as the owner of the tables, or GRANT USAGE, CREATE ON SCHEMA … TO "+e.User,
				"user %s may not make tables", e.User)
		}
		found = append(found, f)
	}
	return found
}

// clock tells of two clocks that differ.
func clock(whose string, ahead time.Duration) Finding {
	how := "ahead of"
	if ahead < 0 {
		how = "behind"
	}
	return Doubtful("have both machines keep their time by NTP, as with chronyd or systemd-timesyncd",
		"%s clock is %v %s this machine's", whose, ahead.Abs().Round(time.Second), how)
}

// schema compares the store's schema with the binary's.
func schema(e db.Examination) []Finding {
	switch {
	case !e.There || e.Damage != "" || e.Pooled:
		return nil
	case e.Version == 0:
		return []Finding{Well("it is empty: the first start, or ferryman migrate, makes its schema")}
	case e.Version < e.Newest:
		return []Finding{Doubtful("start the server, or run ferryman migrate; take a backup before",
			"its schema is version %d, and this ferryman makes it %d", e.Version, e.Newest)}
	case e.Version > e.Newest && e.Asked > e.Newest:
		return []Finding{failed(db.SchemaNewer("its schema", e.Version, e.Newest))}
	case e.Version > e.Newest:
		return []Finding{Doubtful("upgrade this ferryman, too", "its schema is version %d, of a newer ferryman, with which this one can work", e.Version)}
	}
	return []Finding{Well("its schema is version %d, as this ferryman has it", e.Version)}
}

// Secret looks at the secret that keys are made with. read gives an error of
// fs.ErrNotExist if there is no file; needed tells whether the store has something that
// was made with it, and fails if that was another one.
func Secret(configured bool, file string, read func() error, needed func(ctx context.Context, there bool) (bool, error)) Check {
	return Check{"secret", func(ctx context.Context) []Finding {
		var err error
		where := "FERRYMAN_SECRET"
		if !configured {
			where, err = file, read()
		}
		there := err == nil
		if !there && !(errors.Is(err, fs.ErrNotExist) && fault.KindOf(err) == fault.Internal) {
			return []Finding{failed(err)}
		}
		wanted, err := needed(ctx, there)
		switch {
		case err != nil:
			return []Finding{failed(err)}
		case there && wanted:
			return []Finding{Well("%s is the one that the store's keys were made with", where)}
		case there:
			return []Finding{Well("%s can be used", where)}
		case wanted:
			return []Finding{problem(fmt.Sprintf("put %s back, from the backup, or set FERRYMAN_SECRET to what it was", file),
				"%s is not there, and the store has keys or webhooks that were made with it", file)}
		}
		return []Finding{Well("%s is not there yet: the first start makes it", file)}
	}}
}
