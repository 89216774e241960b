package apikey

import (
	"context"
	"crypto/rand"
	"fmt"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// Registry is what can be done to applications and keys without the secret. It
// is safe for concurrent use.
type Registry struct{ db *db.DB }

// NewRegistry makes a registry on a migrated store.
func NewRegistry(d *db.DB) *Registry { return &Registry{db: d} }

// The marks in the store.
const (
	versionMark = "keys_version" // another after every change of applications and keys
	secretMark  = "keys_secret"  // tells which secret the live keys were made with
)

// change runs fn in a transaction and lets everybody know that keys have changed.
func (r *Registry) change(ctx context.Context, fn func(tx *db.Tx) error) error {
	return r.db.Tx(ctx, func(tx *db.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO marks (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, versionMark, rand.Text())
		return err
	})
}

const keyColumns = `k.id, k.application_id, a.name, k.prefix, k.scope, k.created_at, k.expires_at, k.revoked_at, k.last_used_at`

func scanKey(row interface{ Scan(dest ...any) error }) (Key, error) {
	var k Key
	var created, expires, revoked, used db.Time
	err := row.Scan(&k.ID, &k.AppID, &k.App, &k.Prefix, &k.Scope, &created, &expires, &revoked, &used)
	k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt = created.Time, expires.Time, revoked.Time, used.Time
	return k, err
}

// List gives the keys of an application, or of all when app is "", by
// application and age. It gives ErrNoApplication if there is no such application.
func (r *Registry) List(ctx context.Context, app string) ([]Key, error) {
	if app != "" {
		if _, err := r.Application(ctx, app); err != nil {
			return nil, err
		}
	}
	rows, err := r.db.Query(ctx, "SELECT "+keyColumns+` FROM api_keys k JOIN applications a ON a.id = k.application_id
		WHERE a.name = $1 OR $1 = '' ORDER BY a.name, k.id`, app)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	keys, err := db.Collect(rows, func(r *db.Rows) (Key, error) { return scanKey(r) })
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return keys, nil
}

// Revoke ends a key, given by its prefix, by fm_ and its prefix, or whole, and
// gives its prefix. To revoke a key again changes nothing. It gives ErrNoKey if
// there is none.
func (r *Registry) Revoke(ctx context.Context, key string) (prefix string, err error) {
	prefix, ok := prefixIn(key)
	if !ok {
		return "", &fault.Error{
			Kind: fault.Invalid, Code: "key_prefix", Detail: "this is neither a key nor the eight characters that one begins with after fm_",
			Hint: "see ferryman key list",
		}
	}
	err = r.change(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $1) WHERE prefix = $2", db.Time{Time: tx.Now()}, prefix)
		if err == nil && n == 0 {
			err = ErrNoKey
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("revoke key: %w", err)
	}
	return prefix, nil
}

// RevokeAll ends every live key of an application, or of all when app is "", and
// gives how many it ended. Once no live key is left, keys can be made with
// another secret.
func (r *Registry) RevokeAll(ctx context.Context, app string) (n int64, err error) {
	if app != "" {
		if _, err := r.Application(ctx, app); err != nil {
			return 0, err
		}
	}
	err = r.change(ctx, func(tx *db.Tx) error {
		n, err = tx.Exec(ctx, `UPDATE api_keys SET revoked_at = $1 WHERE revoked_at IS NULL
			AND ($2 = '' OR application_id = (SELECT id FROM applications WHERE name = $2))`, db.Time{Time: tx.Now()}, app)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("revoke keys: %w", err)
	}
	return n, nil
}

// Sealed tells whether the store has keys that need the secret that they were
// made with: any that are not revoked.
func (r *Registry) Sealed(ctx context.Context) (sealed bool, err error) {
	err = r.db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM api_keys WHERE revoked_at IS NULL)").Scan(&sealed)
	if err != nil {
		return false, fmt.Errorf("look for a key: %w", err)
	}
	return sealed, nil
}

// Any tells whether the store has a key that is live now.
func (r *Registry) Any(ctx context.Context) (live bool, err error) {
	err = r.db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1))",
		db.Time{Time: r.db.Now()}).Scan(&live)
	if err != nil {
		return false, fmt.Errorf("look for a key: %w", err)
	}
	return live, nil
}

// AnyViewer tells whether the store knows of a key that let its holder look. One
// that has expired or was revoked counts: a door that was closed once does not open
// by itself.
func (r *Registry) AnyViewer(ctx context.Context) (some bool, err error) {
	err = r.db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM api_keys WHERE scope IN ('read', 'admin'))").Scan(&some)
	if err != nil {
		return false, fmt.Errorf("look for a key: %w", err)
	}
	return some, nil
}
