package push

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"strings"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

const (
	maxKey   = 255            // bytes
	keepKeys = 24 * time.Hour // after which a key is as good as new; the outbox prunes them
)

// ErrKey says that an idempotency key is none.
var ErrKey = &fault.Error{
	Kind: fault.Invalid, Code: "invalid_idempotency_key", Detail: "the idempotency key is no text of 1 to 255 printable characters of ASCII",
	Hint: "a UUID will do",
}

var errReused = &fault.Error{
	Kind: fault.Unprocessable, Code: "idempotency_key_reused", Detail: "the idempotency key came with other messages before",
	Hint: "use a new key for each list of messages",
}

// key is what a client calls a post, to repeat it safely. The ids that the list
// was given are kept under it: with the list itself they make the answer.
type key struct {
	hash, request []byte
	reused        bool // another list has it
}

// newKey gives nil for no key.
func newKey(text string, messages []Message) (*key, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no key is none, and no error
	}
	if len(text) > maxKey || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, ErrKey
	}
	sum := sha256.Sum256([]byte(text))
	return &key{hash: sum[:], request: requestHash(messages)}, nil
}

// requestHash is the same of lists that ask for the same, however they are written.
func requestHash(messages []Message) []byte {
	h := sha256.New()
	for _, m := range messages {
		hashText(h, m.UserID)
		hashText(h, m.Messenger.String())
		hashText(h, m.Text)
		hashText(h, string(appendTime(nil, m.StartAt)))
		hashText(h, string(appendTime(nil, m.ExpiresAt)))
	}
	return h.Sum(nil)
}

func hashText(h hash.Hash, text string) {
	h.Write(binary.AppendUvarint(nil, uint64(len(text))))
	h.Write([]byte(text))
}

// claim takes the key for the transaction. It waits for another that has taken it,
// and gives the ids of the n messages that were stored with the key before; nil
// if there are none.
func (k *key) claim(ctx context.Context, tx *db.Tx, n int) ([]int64, error) {
	k.reused = false
	expired := tx.Now().Add(-keepKeys).UnixMicro()
	_, err := tx.Exec(ctx, "DELETE FROM idempotency_keys WHERE key_hash = $1 AND created_at <= $2", k.hash, expired)
	if err != nil {
		return nil, err
	}
	// DO UPDATE locks the row that is there, which DO NOTHING would not: it could be
	// pruned before it is read. A row that is new has an empty answer.
	var request, answer []byte
	err = tx.QueryRow(ctx, `INSERT INTO idempotency_keys (key_hash, request_hash, answer, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (key_hash) DO UPDATE SET key_hash = excluded.key_hash RETURNING request_hash, answer`,
		k.hash, k.request, []byte{}, tx.Now().UnixMicro()).Scan(&request, &answer)
	switch {
	case err != nil:
		return nil, err
	case string(request) != string(k.request):
		k.reused = true
		return []int64{}, nil
	case len(answer) == 0 && n > 0:
		return nil, nil
	}
	return unpackIDs(answer, n)
}

// keep stores the ids that are the answer to the key.
func (k *key) keep(ctx context.Context, tx *db.Tx, ids []int64) error {
	_, err := tx.Exec(ctx, "UPDATE idempotency_keys SET answer = $2 WHERE key_hash = $1", k.hash, packIDs(ids))
	return err
}

// release gives the key back.
func (k *key) release(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, "DELETE FROM idempotency_keys WHERE key_hash = $1", k.hash)
	return err
}

// packIDs writes rising ids as the steps between them.
func packIDs(ids []int64) []byte {
	b := make([]byte, 0, len(ids)+binary.MaxVarintLen64)
	before := int64(0)
	for _, id := range ids {
		b = binary.AppendVarint(b, id-before)
		before = id
	}
	return b
}

func unpackIDs(b []byte, n int) ([]int64, error) {
	ids := make([]int64, n)
	before := int64(0)
	for i := range ids {
		step, size := binary.Varint(b)
		if size <= 0 {
			return nil, errors.New("the answer under an idempotency key is cut short")
		}
		before += step
		ids[i], b = before, b[size:]
	}
	return ids, nil
}
