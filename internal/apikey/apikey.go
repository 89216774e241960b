// Package apikey keeps applications and the keys by which they call.
//
// A key reads fm_, eight public characters (its prefix), and 32 random ones. The
// store holds only its HMAC under a secret that is not in the store: who reads
// the store can neither use a key nor make one. All live keys of a store are
// made with one secret.
//
// Keys judges keys from memory. A mark in the store, changed in the transaction
// of every change, tells whether what is in memory still holds; it is looked at
// when a key is presented, and never while nobody calls. So a key that is made or
// revoked by whatever process works, or ceases to, within a second.
package apikey

import (
	"time"

	"ferryman/internal/fault"
)

// BuiltIn is the application of Ferryman's own crons. It is always there.
const BuiltIn = "ferryman"

// Scope is what a key may be used for.
type Scope string

// The scopes. A job's key can do nothing but report, and a viewer's nothing but
// look: neither includes the other.
const (
	Ping  Scope = "ping"  // report executions
	Read  Scope = "read"  // look at crons and executions
	Admin Scope = "admin" // both, and change crons
)

// Scopes lists all scopes, the least first.
func Scopes() []Scope { return []Scope{Ping, Read, Admin} }

// Includes tells whether a key of scope s may do what needs scope other. A scope
// that does not exist includes nothing and is included by nothing.
func (s Scope) Includes(other Scope) bool {
	return s.known() && other.known() && (s == other || s == Admin)
}

func (s Scope) known() bool { return s == Ping || s == Read || s == Admin }

// Application is a program, or a group of them, whose crons are kept together.
type Application struct {
	ID        int64
	Name      string
	CreatedAt time.Time
	Crons     int64 // that are not deleted
	Keys      int64 // that are live
}

// Key is what is known of a key: everything but the key itself. Times are UTC.
type Key struct {
	ID         int64
	AppID      int64
	App        string // the application's name
	Prefix     string // the public part
	Scope      Scope
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	RevokedAt  time.Time // zero: not revoked
	LastUsedAt time.Time // up to ten seconds behind; zero: never
}

// State is how a key stands.
type State string

// The states of a key.
const (
	Live    State = "live"
	Expired State = "expired"
	Revoked State = "revoked"
)

// State tells how the key stands at a time of the store's clock.
func (k Key) State(now time.Time) State {
	switch {
	case !k.RevokedAt.IsZero():
		return Revoked
	case expired(k.ExpiresAt, now):
		return Expired
	default:
		return Live
	}
}

func expired(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// Identity is who calls.
type Identity struct {
	KeyID  int64
	AppID  int64
	App    string
	Prefix string // of the key
	Scope  Scope
}

// Faults that callers branch on with errors.Is.
var (
	// ErrUnauthorized is the one answer to a key that is missing, malformed,
	// unknown, wrong, revoked or expired.
	ErrUnauthorized = &fault.Error{
		Kind: fault.Unauthorized, Code: "unauthorized", Detail: "the API key is missing or not valid",
	}
	ErrNoApplication = &fault.Error{
		Kind: fault.NotFound, Code: "application_unknown", Detail: "there is no such application",
		Hint: "see ferryman app list, or add it with ferryman app add",
	}
	ErrApplicationExists = &fault.Error{
		Kind: fault.Conflict, Code: "application_exists", Detail: "there is an application of this name already",
	}
	ErrApplicationInUse = &fault.Error{
		Kind: fault.Conflict, Code: "application_in_use", Detail: "the application has crons",
		Hint: "with force they are removed as well, and all that is known of their executions",
	}
	ErrBuiltIn = &fault.Error{
		Kind: fault.Conflict, Code: "application_built_in", Detail: "Ferryman's own application cannot be removed",
	}
	ErrNoKey = &fault.Error{
		Kind: fault.NotFound, Code: "key_unknown", Detail: "there is no key of this prefix",
		Hint: "see ferryman key list",
	}
	// ErrSecretDiffers says that the store's live keys were made with another
	// secret than this process has.
	ErrSecretDiffers = &fault.Error{
		Kind: fault.Unconfigured, Code: "secret_differs",
		Detail: "the keys in the store were made with another secret",
		Hint: "set FERRYMAN_SECRET to the one that they were made with, or put its file back; " +
			"if it is lost, ferryman key revoke --all ends them, and new keys are made with the present one",
	}
)
