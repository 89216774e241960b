package apikey

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// Bounds of what is kept: all keys are held in memory.
const (
	maxLive = 100_000 // keys that are not revoked, in all
	maxDead = 100     // keys of an application that are revoked or expired, the newest of them
)

// Keys is a Registry that knows the secret: it makes keys and judges them. It is
// safe for concurrent use. Close it.
type Keys struct {
	*Registry
	secret []byte
	check  string // what secretMark holds for this secret

	snapshot   atomic.Pointer[snapshot]
	looks      looks
	used       chan struct{} // tells that there are uses to write down
	closing    chan struct{}
	close      func()
	background sync.WaitGroup
	elapsed    func() time.Duration // a clock that only moves forward
}

// Open reads the keys of a migrated store. It gives ErrSecretDiffers if the
// store has live keys that were made with another secret.
func Open(ctx context.Context, d *db.DB, secret []byte) (*Keys, error) {
	begun := time.Now()
	k := &Keys{
		Registry: NewRegistry(d), secret: secret,
		used: make(chan struct{}, 1), closing: make(chan struct{}),
		elapsed: func() time.Duration { return time.Since(begun) },
	}
	k.check = hex.EncodeToString(k.hash("which secret is this"))
	k.close = sync.OnceFunc(func() { close(k.closing) })
	if err := k.refresh(ctx); err != nil {
		return nil, err
	}
	lasting := context.WithoutCancel(ctx)
	k.background.Go(func() { k.writeUses(lasting) })
	return k, nil
}

// Close writes down which keys were used last, and waits for what is under way.
// Authenticate must not be called any more.
func (k *Keys) Close() {
	k.close()
	k.background.Wait()
}

func (k *Keys) hash(key string) []byte {
	h := hmac.New(sha256.New, k.secret)
	h.Write([]byte(key))
	return h.Sum(nil)
}

// Create makes a key for an application and gives it, the only time that anybody
// can. A zero expires means never. It gives ErrNoApplication, and
// ErrSecretDiffers if others have made keys with another secret meanwhile.
func (k *Keys) Create(ctx context.Context, app string, scope Scope, expires time.Time) (made Key, key string, err error) {
	if !scope.known() {
		return Key{}, "", &fault.Error{
			Kind: fault.Invalid, Code: "key_scope", Detail: "there is no such scope", Hint: "take one of ping, read, admin",
		}
	}
	err = k.change(ctx, func(tx *db.Tx) error {
		if !expires.IsZero() && !expires.After(tx.Now()) {
			return &fault.Error{
				Kind: fault.Invalid, Code: "key_expiry", Detail: "the key would have expired already", Hint: "take a time in the future",
			}
		}
		if err := k.seal(ctx, tx); err != nil {
			return err
		}
		if err := makeRoom(ctx, tx, app); err != nil {
			return err
		}
		made, key, err = k.insert(ctx, tx, app, scope, expires)
		return err
	})
	if err != nil {
		return Key{}, "", fmt.Errorf("create key for %q: %w", app, err)
	}
	return made, key, nil
}

// seal makes sure that all live keys are made with one secret. It keeps others
// from making keys until tx ends.
func (k *Keys) seal(ctx context.Context, tx *db.Tx) error {
	var check string
	err := tx.QueryRow(ctx, `INSERT INTO marks (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = marks.value RETURNING value`, secretMark, k.check).Scan(&check)
	if err != nil || check == k.check {
		return err
	}
	var live bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM api_keys WHERE revoked_at IS NULL)").Scan(&live); err != nil {
		return err
	}
	if live {
		return ErrSecretDiffers
	}
	_, err = tx.Exec(ctx, "UPDATE marks SET value = $1 WHERE name = $2", k.check, secretMark)
	return err
}

// makeRoom forgets keys that ended long ago and refuses to hold too many.
func makeRoom(ctx context.Context, tx *db.Tx, app string) error {
	const dead = `application_id = (SELECT id FROM applications WHERE name = $1) AND (revoked_at IS NOT NULL OR expires_at <= $2)`
	_, err := tx.Exec(ctx, "DELETE FROM api_keys WHERE "+dead+`
		AND id <= (SELECT id FROM api_keys WHERE `+dead+" ORDER BY id DESC LIMIT 1 OFFSET $3)", app, db.Time{Time: tx.Now()}, maxDead)
	if err != nil {
		return err
	}
	var live int
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL").Scan(&live); err != nil {
		return err
	}
	if live >= maxLive {
		return &fault.Error{
			Kind: fault.Conflict, Code: "too_many_keys", Detail: fmt.Sprintf("there are %d keys already", live),
			Hint: "revoke those that are no longer needed",
		}
	}
	return nil
}

func (k *Keys) insert(ctx context.Context, tx *db.Tx, app string, scope Scope, expires time.Time) (Key, string, error) {
	made := Key{App: app, Scope: scope, CreatedAt: tx.Now(), ExpiresAt: expires.UTC().Truncate(time.Microsecond)}
	err := tx.QueryRow(ctx, "SELECT id FROM applications WHERE name = $1", app).Scan(&made.AppID)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoApplication
	}
	if err != nil {
		return Key{}, "", err
	}
	for {
		key := generate()
		made.Prefix, _ = prefixOf(key)
		err := tx.QueryRow(ctx, `INSERT INTO api_keys (application_id, prefix, hash, scope, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (prefix) DO NOTHING RETURNING id`,
			made.AppID, made.Prefix, k.hash(key), string(scope), db.Time{Time: made.CreatedAt}, db.Time{Time: made.ExpiresAt}).Scan(&made.ID)
		if !errors.Is(err, sql.ErrNoRows) { // else the prefix is taken, once in a blue moon
			return made, key, err
		}
	}
}

// Authenticate tells who presents a key. Every key that is not good gets
// ErrUnauthorized. When the store does not answer, keys that are known stay good
// for thirty seconds; after that, and for keys that are not known, it gives the
// store's error.
func (k *Keys) Authenticate(ctx context.Context, presented string) (Identity, error) {
	prefix, ok := prefixOf(presented)
	if !ok {
		return Identity{}, ErrUnauthorized
	}
	s, err := k.fresh(ctx)
	if err != nil {
		return Identity{}, err
	}
	e := s.entries[prefix]
	if e == nil {
		// It may have been made a moment ago.
		if s, err = k.lookAgain(ctx); err != nil {
			return Identity{}, err
		}
		if e = s.entries[prefix]; e == nil {
			e = &entry{} // what it takes to compare shall not tell
		}
	}
	if !hmac.Equal(k.hash(presented), e.hash[:]) || e.revoked {
		return Identity{}, ErrUnauthorized
	}
	now := k.db.Now()
	if expired(e.expires, now) {
		return Identity{}, ErrUnauthorized
	}
	k.use(e, now)
	return e.identity, nil
}
