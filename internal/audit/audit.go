// Package audit keeps what people did to the store: who, what, to what, and when.
//
// A line is written after the act, in a transaction of its own. The act is a
// domain's, and domains know neither who asks nor each other; and what somebody has
// had done is not undone because the book was full. So a crash between the two
// loses the line, and so does a store that stops taking any: that is logged as a
// warning. The log tells what happened in the ordinary course of things; it is no
// proof against somebody who can write to the store.
//
// Lines hold no secret: whoever notes something leaves them out. They are kept for
// a year, the newest million of them.
package audit

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"ferryman/internal/db"
)

const (
	noteWithin = 5 * time.Second
	pageMost   = 1000
	// Bytes of what is kept.
	wordMost   = 200
	detailMost = 2000
)

// Entry is something that was done.
type Entry struct {
	ID     int64     // Note gives it
	At     time.Time // likewise; UTC, by the store's clock
	Who    string    // see Key, Command and Local
	App    string    // application of the key, or "" for who is not bound to one
	Action string    // such as cron.pause
	Target string    // such as "cron 12 shop/nightly": see Cron and the others
	Detail string    // what it was done with, such as the JSON of a call; may be empty
	Remote string    // address that it came from; may be empty
}

// Log is the entries of a store. It is safe for concurrent use.
type Log struct {
	db  *db.DB
	log *slog.Logger
}

// New makes a log on a migrated store. It tells log what it could not write.
func New(d *db.DB, log *slog.Logger) *Log { return &Log{db: d, log: log} }

// Note writes down what was done, also when ctx has ended: whoever asked for it may
// be gone. What is too long is cut.
func (l *Log) Note(ctx context.Context, e Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
	defer cancel()
	for _, text := range []*string{&e.Who, &e.App, &e.Action, &e.Target, &e.Remote} {
		*text = clip(*text, wordMost)
	}
	err := l.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO audit (at, who, app, action, target, subject, detail, remote) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
			db.Time{Time: tx.Now()}, e.Who, e.App, e.Action, e.Target, subjectOf(e.Target), clip(e.Detail, detailMost), e.Remote)
		return err
	})
	if err != nil {
		l.log.Warn("what was done cannot be written down", "who", e.Who, "action", e.Action, "target", e.Target, "err", err)
	}
}

const selectEntries = "SELECT id, at, who, app, action, target, detail, remote FROM audit "

// List gives the newest entries before the one with the id before, or the newest
// of all if that is 0; newest first, at most 1,000.
func (l *Log) List(ctx context.Context, before int64, limit int) ([]Entry, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	return l.read(ctx, selectEntries+"WHERE id < $1 ORDER BY id DESC LIMIT $2", before, bounded(limit))
}

// About gives the newest entries about a target, newest first, at most 1,000. Its
// first two words say which it is, so that it is found by any name it had.
func (l *Log) About(ctx context.Context, target string, limit int) ([]Entry, error) {
	return l.read(ctx, selectEntries+"WHERE subject = $1 ORDER BY id DESC LIMIT $2", subjectOf(clip(target, wordMost)), bounded(limit))
}

func (l *Log) read(ctx context.Context, query string, args ...any) ([]Entry, error) {
	rows, err := l.db.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (e Entry, err error) {
		err = r.Scan(&e.ID, db.ScanTime(&e.At), &e.Who, &e.App, &e.Action, &e.Target, &e.Detail, &e.Remote)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return all, nil
}

func bounded(limit int) int { return max(0, min(limit, pageMost)) }

// subjectOf is the first two words of a target: its kind, and what never changes
// of it.
func subjectOf(target string) string {
	kind, rest, _ := strings.Cut(target, " ")
	which, _, more := strings.Cut(rest, " ")
	if more {
		return kind + " " + which
	}
	return target
}

// clip makes s valid text without null characters, of at most so many bytes.
func clip(s string, most int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
