package apikey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// How long sessions last, and how many there may be.
const (
	sessionIdle   = 12 * time.Hour     // without being used
	sessionAge    = 7 * 24 * time.Hour // at most
	sessionsOfKey = 50                 // of one key; a further one ends the oldest
	sessionsMost  = 1000               // that List gives
	sessionsTidy  = 1000               // that have ended, removed when somebody signs in
	sessionText   = 200                // bytes of what a client says of itself
	seenEvery     = time.Minute        // least time between two writings of when a session was used
	seenWithin    = 500 * time.Millisecond
)

// Session is somebody who has signed in with a key, in a browser. It does not hold
// the token that it is found by. Times are UTC and the store's.
type Session struct {
	ID        int64
	Identity  Identity // of the key
	CreatedAt time.Time
	SeenAt    time.Time // up to a minute behind
	ExpiresAt time.Time // it ends then, or when it was not used for twelve hours
	Remote    string    // address that it began from
	Agent     string    // User-Agent that it began with
}

// Faults of sessions that callers branch on with errors.Is.
var (
	// ErrNotSignedIn is the one answer to a token that is missing, unknown, or of a
	// session that has ended in whatever way.
	ErrNotSignedIn = &fault.Error{
		Kind: fault.Unauthorized, Code: "not_signed_in", Detail: "nobody is signed in, or the session has ended", Hint: "sign in with a key",
	}
	// ErrReportsOnly is the answer to a key that is good, but not for looking.
	ErrReportsOnly = &fault.Error{
		Kind: fault.Forbidden, Code: "scope", Detail: "a key of scope ping may report and not look", Hint: "sign in with one of scope read or admin",
	}
	ErrNoSession = &fault.Error{Kind: fault.NotFound, Code: "session_unknown", Detail: "there is no such session"}
)

// Sessions keeps who is signed in. A session is its key: each use asks the store
// for both, so that whatever ends the key ends the session at once, on all nodes.
// It is safe for concurrent use. How often somebody may try to sign in is up to
// whoever takes the calls.
type Sessions struct{ keys *Keys }

// NewSessions gives the sessions of a store's keys.
func NewSessions(keys *Keys) *Sessions { return &Sessions{keys: keys} }

// SignIn begins a session of the key that is presented, and gives the token by
// which it is found: the store holds only its hash. Remote is the client's address
// and agent what it calls itself. It gives ErrUnauthorized, as Authenticate does,
// and ErrReportsOnly.
func (s *Sessions) SignIn(ctx context.Context, presented, remote, agent string) (token string, began Session, err error) {
	who, err := s.keys.Authenticate(ctx, presented)
	if err != nil {
		return "", Session{}, err
	}
	if !who.Scope.Includes(Read) {
		return "", Session{}, ErrReportsOnly
	}
	token, hash := newToken()
	began = Session{Identity: who, Remote: said(remote), Agent: said(agent)}
	err = s.keys.db.Tx(ctx, func(tx *db.Tx) error {
		now := tx.Now()
		began.CreatedAt, began.SeenAt, began.ExpiresAt = now, now, now.Add(sessionAge)
		if err := tidySessions(ctx, tx, who.KeyID); err != nil {
			return err
		}
		// What Authenticate knows may be a second old.
		return tx.QueryRow(ctx, `INSERT INTO sessions (token_hash, key_id, created_at, seen_at, expires_at, remote, agent)
			SELECT $1, k.id, $2, $2, CASE WHEN k.expires_at < $3 THEN k.expires_at ELSE $3 END, $4, $5 FROM api_keys k WHERE k.id = $6 AND `+liveKey+`
			RETURNING id, expires_at`, hash, db.Time{Time: now}, db.Time{Time: began.ExpiresAt}, began.Remote, began.Agent, who.KeyID).
			Scan(&began.ID, db.ScanTime(&began.ExpiresAt))
	})
	if errors.Is(err, sql.ErrNoRows) {
		return "", Session{}, ErrUnauthorized
	}
	if err != nil {
		return "", Session{}, fmt.Errorf("sign in: %w", err)
	}
	return token, began, nil
}

// liveKey is the condition that a key is live at $2.
const liveKey = "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > CAST($2 AS BIGINT))"

// tidySessions removes sessions that have ended, and the oldest of a key that has
// many.
func tidySessions(ctx context.Context, tx *db.Tx, key int64) error {
	_, err := tx.Exec(ctx, "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE seen_at <= $1 ORDER BY seen_at LIMIT $2)",
		db.Time{Time: tx.Now().Add(-sessionIdle)}, sessionsTidy)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM sessions WHERE key_id = $1
		AND id <= (SELECT id FROM sessions WHERE key_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)`, key, sessionsOfKey-1)
	return err
}

// Find gives the session of a token, or ErrNotSignedIn, and counts that as a use.
func (s *Sessions) Find(ctx context.Context, token string) (Session, error) {
	found, err := s.Peek(ctx, token)
	if now := s.keys.db.Now(); err == nil && now.Sub(found.SeenAt) >= seenEvery {
		s.see(ctx, &found, now)
	}
	return found, err
}

// Peek is Find for what no person does, such as a page that asks by itself for what
// is new: that is no use, and the session ends as if nobody were there.
func (s *Sessions) Peek(ctx context.Context, token string) (Session, error) {
	hash, ok := hashOf(token)
	if !ok {
		return Session{}, ErrNotSignedIn
	}
	now := s.keys.db.Now()
	found, err := scanSession(s.keys.db.QueryRow(ctx, selectSessions+" AND s.token_hash = $3",
		db.Time{Time: now.Add(-sessionIdle)}, db.Time{Time: now}, hash))
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, ErrNotSignedIn
	}
	if err != nil {
		return Session{}, fmt.Errorf("look for a session: %w", err)
	}
	return found, nil
}

// see writes down that a session is used. A store that takes nothing may still be
// looked at, and the next use tries again: so that it fails is no error.
func (s *Sessions) see(ctx context.Context, used *Session, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	err := s.keys.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE sessions SET seen_at = $1 WHERE id = $2 AND seen_at < $1", db.Time{Time: now}, used.ID)
		return err
	})
	if err == nil {
		used.SeenAt = now
	}
}

// newToken makes a token of 32 random bytes.
func newToken() (token string, hash []byte) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	sum := sha256.Sum256(random[:])
	return base64.RawURLEncoding.EncodeToString(random[:]), sum[:]
}

// hashOf gives what the store holds of a token, and whether it has the form of one.
// To look that up tells nothing of other tokens, however long it takes.
func hashOf(token string) ([]byte, bool) {
	random, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(random) != 32 {
		return nil, false
	}
	sum := sha256.Sum256(random)
	return sum[:], true
}

// said is what a client says of itself, as both databases can hold it.
func said(text string) string {
	text = text[:min(len(text), sessionText)]
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}
