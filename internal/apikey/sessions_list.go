package apikey

import (
	"context"
	"fmt"

	"ferryman/internal/db"
)

// selectSessions reads the sessions that have not ended at $2 and were used after
// $1.
const selectSessions = `
	SELECT s.id, k.id, k.application_id, a.name, k.prefix, k.scope, s.created_at, s.seen_at, s.expires_at, s.remote, s.agent
	FROM sessions s JOIN api_keys k ON k.id = s.key_id JOIN applications a ON a.id = k.application_id
	WHERE s.seen_at > $1 AND s.expires_at > $2 AND ` + liveKey

func scanSession(row interface{ Scan(dest ...any) error }) (s Session, err error) {
	i := &s.Identity
	err = row.Scan(&s.ID, &i.KeyID, &i.AppID, &i.App, &i.Prefix, &i.Scope, db.ScanTime(&s.CreatedAt), db.ScanTime(&s.SeenAt),
		db.ScanTime(&s.ExpiresAt), &s.Remote, &s.Agent)
	return s, err
}

// List gives who is signed in, those who were seen last first: 1,000 at most.
func (s *Sessions) List(ctx context.Context) ([]Session, error) {
	now := s.keys.db.Now()
	rows, err := s.keys.db.Query(ctx, selectSessions+" ORDER BY s.seen_at DESC, s.id DESC LIMIT $3",
		db.Time{Time: now.Add(-sessionIdle)}, db.Time{Time: now}, sessionsMost)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Session, error) { return scanSession(r) })
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return all, nil
}

// End signs out the session of a token. One that there is not has ended already.
func (s *Sessions) End(ctx context.Context, token string) error {
	hash, ok := hashOf(token)
	if !ok {
		return nil
	}
	err := s.keys.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM sessions WHERE token_hash = $1", hash)
		return err
	})
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// Revoke ends somebody's session, or gives ErrNoSession.
func (s *Sessions) Revoke(ctx context.Context, id int64) error {
	err := s.keys.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM sessions WHERE id = $1", id)
		if err == nil && n == 0 {
			err = ErrNoSession
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	return nil
}
