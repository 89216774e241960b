package dashboard

import (
	"ferryman/internal/ledger"
	"ferryman/internal/node"
	"ferryman/internal/outbox"
)

// mark is how a state is shown: by colour, shape and word, each of which is enough.
type mark struct {
	Class string // of the style sheet, for its colour and pattern
	Sign  string // its shape
	Word  string
}

// marks are all states of crons, executions, deliveries, channels, nodes and keys.
// The words of pages stand here and in web/, and nowhere else.
var marks = map[string]mark{
	"ok":          {"ok", "●", "ok"},
	"success":     {"ok", "●", "ok"},
	"warned":      {"ok warned", "●", "ok, with warnings"},
	"failed":      {"failed", "✕", "failed"},
	"failing":     {"failed", "✕", "failing"},
	"running":     {"running", "◐", "running"},
	"timed_out":   {"timedout", "▤", "timed out"},
	"overdue":     {"timedout", "▤", "overdue"},
	"missed":      {"missed", "○", "missed"},
	"late":        {"late", "◔", "late"},
	"skipped":     {"refused", "⊘", "refused"},
	"cancelled":   {"cancelled", "■", "cancelled"},
	"superseded":  {"cancelled", "■", "superseded"},
	"paused":      {"paused", "‖", "paused"},
	"inactive":    {"paused", "‖", "inactive"},
	"maintenance": {"maintenance", "▨", "maintenance"},
	"new":         {"new", "◌", "new"},

	"scheduled": {"new", "◌", "scheduled"},
	"sending":   {"running", "◐", "sending"},
	"sent":      {"ok", "●", "sent"},
	"dead":      {"failed", "✕", "dead letter"}, // a delivery's; an attempt just failed
	"expired":   {"refused", "⊘", "expired"},
	"retry":     {"late", "◔", "to be tried again"},
	"uncertain": {"late", "◔", "uncertain"},
	"resting":   {"late", "◔", "resting"},
	"stopped":   {"failed", "✕", "stopped"},
	"unset":     {"refused", "⊘", "not set up"},

	"working":  {"ok", "●", "working"},
	"draining": {"running", "◐", "draining"},
	"drained":  {"paused", "‖", "drained"},
	"silent":   {"failed", "✕", "silent"},
	"replaced": {"cancelled", "■", "replaced"},

	"live":    {"ok", "●", "live"},
	"revoked": {"cancelled", "■", "revoked"},
}

// markOf gives the mark of a state of whatever kind; one that has none shows its
// own name.
func markOf(state any) mark {
	var name string
	switch s := state.(type) {
	case string:
		name = s
	case ledger.State:
		name = string(s)
	case ledger.Status:
		name = string(s)
	case node.State:
		name = string(s)
	case outbox.State:
		name = s.String()
		if s == outbox.Failed {
			name = "dead"
		}
	case outbox.Verdict:
		name = string(s)
	}
	if m, known := marks[name]; known {
		return m
	}
	return mark{"new", "◌", name}
}
