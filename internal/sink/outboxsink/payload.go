package outboxsink

// payloadMost is what a payload may have of bytes: one that is larger could not be
// sent within any sensible time, and many of them not be held.
const payloadMost = 8 << 20

// payload is what is posted, as JSON that nobody reads on the way.
type payload struct{ contact, transaction string }

// What the other side is told of a transaction.
const (
	stateNew     = "new"     // it was never posted
	stateUpdated = "updated" // it was, and has changed since
)

const (
	beforeContact     = `{"contact":`
	beforeTransaction = `,"transaction":`
	beforeState       = `,"state":"`
	end               = `"}`
)

// size is how many bytes the payload has, at most.
func (p payload) size() int {
	return len(beforeContact) + len(p.contact) + len(beforeTransaction) + len(p.transaction) + len(beforeState) + len(stateUpdated) + len(end)
}

// with is the body of a post.
func (p payload) with(state string) string {
	return beforeContact + p.contact + beforeTransaction + p.transaction + beforeState + state + end
}
