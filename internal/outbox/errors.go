package outbox

import (
	"fmt"

	"ferryman/internal/fault"
)

// ErrNotFound says that there is no such delivery.
var ErrNotFound = &fault.Error{Kind: fault.NotFound, Code: "no_delivery", Detail: "there is no such delivery"}

// ErrState is the code of a fault of kind Conflict: the delivery's state does not
// allow it.
const ErrState = "delivery_state"

// errState says what cannot be done because of how a delivery stands.
func errState(id int64, what, because string) error {
	return &fault.Error{Kind: fault.Conflict, Code: ErrState, Detail: fmt.Sprintf("delivery %d cannot be %s: %s", id, what, because)}
}

// standing is the state in a sentence.
func (s State) standing() string {
	switch s {
	case Waiting, Behind:
		return "it is still to be sent"
	case Sending:
		return "it is being sent"
	case Sent:
		return "it was sent"
	case Failed:
		return "it has failed"
	case Cancelled:
		return "it was cancelled"
	case Expired:
		return "it has expired"
	default:
		return "its state is unknown"
	}
}
