// Package endpoint keeps the webhooks that people register: where to post, what
// to sign with, when to try again and how fast to go.
//
// URLs and secrets are sealed in the store, under a key that is derived from the
// store's secret. Without that nothing of them can be read, but they can be
// removed. What is removed leaves its name behind: deliveries to it wait, and go
// out once a webhook of this name is added again.
package endpoint

import (
	"time"

	"ferryman/internal/fault"
)

// The profiles: when a delivery is tried again.
const (
	Seed     = "seed"
	Standard = "standard"
)

// Profiles gives the names of all profiles.
func Profiles() []string { return []string{Seed, Standard} }

// DefaultRate is that of a webhook for which none was given.
const DefaultRate = "5/s burst 10"

// Webhook is what deliveries are posted to. Two are equal by == if nothing of them
// differs.
type Webhook struct {
	Name      string
	URL       Address
	Secret    Secret // empty: nothing is signed
	OldSecret Secret // of a rotation that is not finished: signs, too
	Profile   string
	Rate      string // deliveries in a time, such as 5/s burst 10
	CreatedAt time.Time
	ChangedAt time.Time
}

// Faults that callers branch on with errors.Is.
var (
	ErrNotFound = &fault.Error{
		Kind: fault.NotFound, Code: "webhook_unknown", Detail: "there is no such webhook",
		Hint: "see ferryman webhook list, or add it with ferryman webhook add",
	}
	ErrExists = &fault.Error{
		Kind: fault.Conflict, Code: "webhook_exists", Detail: "there is a webhook of this name already",
	}
	// ErrRotating says that a rotation has to be finished before the next.
	ErrRotating = &fault.Error{
		Kind: fault.Conflict, Code: "webhook_rotating", Detail: "a rotation is under way: the webhook is signed with two secrets",
		Hint: "finish it once the receiver knows the newer one",
	}
	// ErrSecretDiffers says that the store's webhooks were sealed with another
	// secret than this process has.
	ErrSecretDiffers = &fault.Error{
		Kind: fault.Unconfigured, Code: "secret_differs",
		Detail: "the webhooks in the store were sealed with another secret",
		Hint: "set FERRYMAN_SECRET to the one that they were sealed with, or put its file back; " +
			"if it is lost, remove them with ferryman webhook rm and add them again",
	}
)
