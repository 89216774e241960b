package endpoint

import (
	"context"
	"crypto/rand"
	"fmt"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// versionMark stands in the store and is another after every change of webhooks.
const versionMark = "webhooks_version"

// Registry is what can be done to webhooks without the secret. It is safe for
// concurrent use.
type Registry struct{ db *db.DB }

// NewRegistry makes a registry on a migrated store.
func NewRegistry(d *db.DB) *Registry { return &Registry{db: d} }

// change runs fn in a transaction and lets everybody know that webhooks have
// changed. Changes happen one after the other.
func (r *Registry) change(ctx context.Context, fn func(tx *db.Tx) error) error {
	return r.db.Tx(ctx, func(tx *db.Tx) error {
		// First of all, so that it holds up others that change something.
		_, err := tx.Exec(ctx, `INSERT INTO marks (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, versionMark, rand.Text())
		if err != nil {
			return err
		}
		return fn(tx)
	})
}

// Version is another after every change of webhooks.
func (r *Registry) Version(ctx context.Context) (version string, err error) {
	err = r.db.QueryRow(ctx, "SELECT coalesce((SELECT value FROM marks WHERE name = $1), '')", versionMark).Scan(&version)
	if err != nil {
		return "", fmt.Errorf("look whether webhooks have changed: %w", err)
	}
	return version, nil
}

// Sealed tells whether the store has webhooks: they need the secret that they
// were sealed with.
func (r *Registry) Sealed(ctx context.Context) (sealed bool, err error) {
	err = r.db.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM webhooks WHERE deleted_at IS NULL)").Scan(&sealed)
	if err != nil {
		return false, fmt.Errorf("look for a webhook: %w", err)
	}
	return sealed, nil
}

// Remove removes a webhook and forgets its URL and secrets. It gives ErrNotFound
// if there is none of this name.
func (r *Registry) Remove(ctx context.Context, name string) error {
	err := r.change(ctx, func(tx *db.Tx) error {
		return one(tx.Exec(ctx, `UPDATE webhooks SET deleted_at = $1, changed_at = $1, url = $2, secret = NULL, old_secret = NULL
			WHERE name = $3 AND deleted_at IS NULL`, db.Time{Time: tx.Now()}, []byte{}, name))
	})
	return named("remove", name, err)
}

// FinishRotation has the older secret sign no more. Where there is none it changes
// nothing. It gives ErrNotFound.
func (r *Registry) FinishRotation(ctx context.Context, name string) error {
	err := r.change(ctx, func(tx *db.Tx) error {
		return one(tx.Exec(ctx, "UPDATE webhooks SET old_secret = NULL, changed_at = $1 WHERE name = $2 AND deleted_at IS NULL",
			db.Time{Time: tx.Now()}, name))
	})
	return named("finish the rotation of", name, err)
}

// one wants a statement to have changed a webhook.
func one(changed int64, err error) error {
	if err == nil && changed == 0 {
		return ErrNotFound
	}
	return err
}

// named says what was done to which webhook.
func named(what, name string, err error) error {
	if err == nil || fault.KindOf(err) == fault.Invalid { // the latter says what is wrong by itself
		return err
	}
	return fmt.Errorf("%s webhook %s: %w", what, name, err)
}
