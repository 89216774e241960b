package endpoint

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/seal"
)

// maxWebhooks bounds what is in memory of a server: each is a channel of its own.
const maxWebhooks = 1000

// Webhooks is a Registry that knows the secret. It is safe for concurrent use.
type Webhooks struct {
	*Registry
	sealer *seal.Sealer
}

// Open makes it of a migrated store's secret.
func Open(d *db.DB, secret []byte) (*Webhooks, error) {
	sealer, err := seal.New(secret, "ferryman webhook")
	if err != nil {
		return nil, err
	}
	return &Webhooks{Registry: NewRegistry(d), sealer: sealer}, nil
}

// Add adds a webhook: w without its times, and with defaults for a Profile and a
// Rate that are empty. The name has one to 63 of a-z, 0-9, dots, _ and -, and
// begins with a letter or a digit. It gives a fault of kind Invalid, ErrExists, or
// ErrSecretDiffers.
func (e *Webhooks) Add(ctx context.Context, w Webhook) (Webhook, error) {
	if w.Profile == "" {
		w.Profile = Standard
	}
	if w.Rate == "" {
		w.Rate = DefaultRate
	}
	if err := check(w); err != nil {
		return Webhook{}, err
	}
	err := e.change(ctx, func(tx *db.Tx) error {
		w.CreatedAt, w.ChangedAt = tx.Now(), tx.Now()
		if err := e.room(ctx, tx); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO webhooks (name, url, secret, old_secret, profile, rate, created_at, changed_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
			ON CONFLICT (name) DO UPDATE SET url = excluded.url, secret = excluded.secret, old_secret = excluded.old_secret,
				profile = excluded.profile, rate = excluded.rate, created_at = excluded.created_at,
				changed_at = excluded.changed_at, deleted_at = NULL
			WHERE webhooks.deleted_at IS NOT NULL`,
			w.Name, e.sealer.Seal([]byte(w.URL.text), w.Name+urlOf), e.sealed(w.Secret, w.Name), e.sealed(w.OldSecret, w.Name),
			w.Profile, w.Rate, db.Time{Time: w.CreatedAt})
		if err == nil && n == 0 {
			err = ErrExists
		}
		return err
	})
	if err := named("add", w.Name, err); err != nil {
		return Webhook{}, err
	}
	return w, nil
}

func check(w Webhook) error {
	switch {
	case !regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`).MatchString(w.Name):
		return &fault.Error{
			Kind: fault.Invalid, Code: "webhook_name", Detail: "this is no name for a webhook",
			Hint: "take up to 63 of a-z, 0-9, dots, _ and -, a letter or a digit first",
		}
	case w.URL == Address{}:
		return &fault.Error{Kind: fault.Invalid, Code: "webhook_url", Detail: "a webhook needs a URL"}
	case !slices.Contains(Profiles(), w.Profile):
		return &fault.Error{
			Kind: fault.Invalid, Code: "webhook_profile", Detail: "there is no such profile",
			Hint: "take one of " + strings.Join(Profiles(), ", "),
		}
	}
	return nil
}

// room refuses one webhook too many, and one whose secret is not that of the others.
func (e *Webhooks) room(ctx context.Context, tx *db.Tx) error {
	var many int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM webhooks WHERE deleted_at IS NULL").Scan(&many); err != nil {
		return err
	}
	if many >= maxWebhooks {
		return &fault.Error{
			Kind: fault.Conflict, Code: "too_many_webhooks", Detail: fmt.Sprintf("there are %d webhooks already", many),
			Hint: "remove those that are no longer needed",
		}
	}
	_, err := e.scan(tx.QueryRow(ctx, selectWebhooks+"ORDER BY name LIMIT 1"))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

const selectWebhooks = `SELECT name, url, secret, old_secret, profile, rate, created_at, changed_at FROM webhooks
	WHERE deleted_at IS NULL `

// List gives all webhooks by name, or ErrSecretDiffers.
func (e *Webhooks) List(ctx context.Context) ([]Webhook, error) {
	rows, err := e.db.Query(ctx, selectWebhooks+"ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Webhook, error) { return e.scan(r) })
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	return all, nil
}

// Get gives a webhook, ErrNotFound, or ErrSecretDiffers.
func (e *Webhooks) Get(ctx context.Context, name string) (Webhook, error) {
	w, err := e.scan(e.db.QueryRow(ctx, selectWebhooks+"AND name = $1", name))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return w, named("read", name, err)
}

// Change is what to change of a webhook: what is empty stays as it is.
type Change struct {
	URL           Address
	Profile, Rate string
}

// Update changes a webhook, whose secrets stay, and gives it. It gives a fault of
// kind Invalid, ErrNotFound, or ErrSecretDiffers.
func (e *Webhooks) Update(ctx context.Context, name string, c Change) (w Webhook, err error) {
	err = e.change(ctx, func(tx *db.Tx) error {
		w, err = e.scan(tx.QueryRow(ctx, selectWebhooks+"AND name = $1", name))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		}
		w.URL, w.Profile, w.Rate, w.ChangedAt = cmp.Or(c.URL, w.URL), cmp.Or(c.Profile, w.Profile), cmp.Or(c.Rate, w.Rate), tx.Now()
		if err := check(w); err != nil {
			return err
		}
		return one(tx.Exec(ctx, "UPDATE webhooks SET url = $1, profile = $2, rate = $3, changed_at = $4 WHERE name = $5",
			e.sealer.Seal([]byte(w.URL.text), name+urlOf), w.Profile, w.Rate, db.Time{Time: w.ChangedAt}, name))
	})
	if err := named("change", name, err); err != nil {
		return Webhook{}, err
	}
	return w, nil
}

// Rotate makes secret the one that signs first, and gives the webhook. What it was
// signed with before signs as well, until FinishRotation. It gives ErrNotFound,
// ErrRotating, or ErrSecretDiffers.
func (e *Webhooks) Rotate(ctx context.Context, name string, secret Secret) (w Webhook, err error) {
	if secret.Empty() {
		return Webhook{}, &fault.Error{Kind: fault.Invalid, Code: "webhook_secret", Detail: "a rotation needs a new secret"}
	}
	err = e.change(ctx, func(tx *db.Tx) error {
		w, err = e.scan(tx.QueryRow(ctx, selectWebhooks+"AND name = $1", name))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		case !w.OldSecret.Empty():
			return ErrRotating
		}
		w.Secret, w.OldSecret, w.ChangedAt = secret, w.Secret, tx.Now()
		return one(tx.Exec(ctx, "UPDATE webhooks SET old_secret = secret, secret = $1, changed_at = $2 WHERE name = $3",
			e.sealed(secret, name), db.Time{Time: w.ChangedAt}, name))
	})
	if err := named("rotate the secret of", name, err); err != nil {
		return Webhook{}, err
	}
	return w, nil
}

// What is sealed is sealed as one of these of a webhook. No name holds a slash.
const (
	urlOf    = "/url"
	secretOf = "/secret"
)

func (e *Webhooks) sealed(s Secret, name string) []byte {
	if s.Empty() {
		return nil
	}
	return e.sealer.Seal(s.Key(), name+secretOf)
}

func (e *Webhooks) scan(row interface{ Scan(dest ...any) error }) (Webhook, error) {
	var w Webhook
	var url, secret, oldSecret []byte
	err := row.Scan(&w.Name, &url, &secret, &oldSecret, &w.Profile, &w.Rate, db.ScanTime(&w.CreatedAt), db.ScanTime(&w.ChangedAt))
	if err != nil {
		return Webhook{}, err
	}
	for _, part := range []struct {
		sealed []byte
		of     string
		to     *string
	}{{url, urlOf, &w.URL.text}, {secret, secretOf, &w.Secret.key}, {oldSecret, secretOf, &w.OldSecret.key}} {
		if part.sealed == nil {
			continue
		}
		plain, err := e.sealer.Open(part.sealed, w.Name+part.of)
		if err != nil {
			return Webhook{}, ErrSecretDiffers
		}
		*part.to = string(plain)
	}
	return w, nil
}
