package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/params"
	"ferryman/internal/pipeline"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// list answers with a page of a table, in order of its key.
func (s *Server) list(t *pipeline.Table) answerer {
	return func(r *http.Request) (reply, error) {
		q, err := params.Parse(r.URL.RawQuery)
		if err != nil {
			return reply{}, err
		}
		limit, err := limitOf(q)
		if err != nil {
			return reply{}, err
		}
		var after any
		text, given, err := q.One("after")
		if err != nil {
			return reply{}, err
		}
		if given {
			id, canonical := params.Whole(text)
			if !canonical {
				return reply{}, params.Bad("after", "not a whole number", "give the last id of the page before")
			}
			after = id
		}
		rows, err := s.o.Rows.List(r.Context(), t, after, limit+1) // one more tells whether there are more
		if err != nil {
			return reply{}, fmt.Errorf("list %s: %w", t.Name, err)
		}
		var out reply
		if len(rows) > limit {
			rows = rows[:limit]
			last := rows[limit-1][t.KeyIndexes()[0]]
			out.link = fmt.Sprintf(`<%s?limit=%d&after=%v>; rel="next"`, r.URL.Path, limit, last)
		}
		objects := make([]object, len(rows))
		for i, row := range rows {
			objects[i] = object{t, row}
		}
		out.body = map[string]any{"data": objects}
		return out, nil
	}
}

// get answers with one row of a table.
func (s *Server) get(t *pipeline.Table) answerer {
	return func(r *http.Request) (reply, error) {
		id, canonical := params.Whole(r.PathValue("id"))
		if !canonical {
			return reply{}, noRow(t)
		}
		row, err := s.o.Rows.Get(r.Context(), t, id)
		if fault.KindOf(err) == fault.NotFound {
			return reply{}, noRow(t)
		}
		if err != nil {
			return reply{}, fmt.Errorf("read %s %d: %w", t.Name, id, err)
		}
		return ok(map[string]any{"data": object{t, row}})
	}
}

func noRow(t *pipeline.Table) error {
	return &fault.Error{Kind: fault.NotFound, Code: "unknown_id", Detail: "nothing among the " + t.Name + " has this id"}
}

// object is a row as a JSON object with its members in the table's order.
type object struct {
	table *pipeline.Table
	row   []any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	t := o.table
	if len(o.row) != len(t.Columns)+len(t.Stamps) {
		return nil, fmt.Errorf("a row of %s has %d values, not %d", t.Name, len(o.row), len(t.Columns)+len(t.Stamps))
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	sep := byte('{')
	for i, v := range o.row {
		name, kind := o.member(i)
		buf.WriteByte(sep)
		sep = ','
		if err := enc.Encode(name); err != nil {
			return nil, err
		}
		buf.WriteByte(':')
		if err := enc.Encode(value(kind, v)); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.Name, name, err)
		}
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil // the line breaks between are lost when the whole is encoded
}

func (o object) member(i int) (string, pipeline.Type) {
	if n := len(o.table.Columns); i >= n {
		return o.table.Stamps[i-n].Name, o.table.Stamps[i-n].Type
	}
	return o.table.Columns[i].Name, o.table.Columns[i].Type
}

func value(kind pipeline.Type, v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(timeFormat)
	case string:
		if kind == pipeline.Decimal {
			return json.Number(v)
		}
		return v
	default:
		return v
	}
}
