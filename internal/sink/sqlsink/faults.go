package sqlsink

import (
	"context"
	"errors"
	"fmt"

	"ferryman/internal/fault"
)

// meaning is how a class of trouble is reported.
type meaning struct {
	kind fault.Kind
	code string
	hint string
}

var meanings = map[class]meaning{
	unknown:         {fault.Internal, "target_failed", ""},
	refused:         {fault.Invalid, "target_refused_row", ""},
	contended:       {fault.Unavailable, "target_busy", "other transactions keep winning; it is safe to try again"},
	busy:            {fault.Unavailable, "target_busy", "the target is occupied or locked by another program; it is safe to try again"},
	lost:            {fault.Unavailable, "target_unreachable", "the connection broke; it is safe to try again"},
	unreachable:     {fault.Unavailable, "target_unreachable", "check that the server runs and that host and port of the target URL are right"},
	unauthorized:    {fault.Unauthorized, "target_auth", "check user and password of the target URL; characters such as @ : / ? # % must be percent-encoded"},
	databaseMissing: {fault.Unconfigured, "target_database_missing", "create it, or correct the target URL"},
	forbidden:       {fault.Forbidden, "target_rights", ""},
	readOnly:        {fault.Forbidden, "target_rights", "it takes no writes: point the target URL at the primary server"},
	mismatched:      {fault.Unconfigured, "target_schema", "change the table, or rename it and let Ferryman make its own"},
	exists:          {fault.Unavailable, "target_schema", "somebody else changes the table at the same time"},
	full:            {fault.Unavailable, "target_full", "free some space"},
}

// tooWide is the hint of a table or a row that is larger than the server takes.
const tooWide = "there are more columns, or wider ones, than the server has room for in a row: leave some out; where they are custom fields, --max-fields does"

// explain classifies a driver's error by what was being done ("write to",
// "create", "alter", "read" or "use") and to which table, if any.
func (s *Sink) explain(ctx context.Context, doing, table string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	object := s.dialect.String()
	if table != "" {
		object = fmt.Sprintf("table %q of %s", table, object)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", doing, object, ctx.Err())
	}
	d := s.dialect.diagnose(err)
	m := meanings[d.class]
	f := &fault.Error{Kind: m.kind, Code: m.code, Hint: m.hint, Err: fault.OneLine(err),
		Detail: fmt.Sprintf("cannot %s %s", doing, object)}
	if d.class == forbidden {
		f.Hint = "give the right with: " + s.dialect.grant(doing, table)
	}
	if d.hint != "" {
		f.Hint = d.hint
	}
	if errors.Is(err, context.DeadlineExceeded) {
		f.Kind = fault.Timeout
	}
	return f
}
