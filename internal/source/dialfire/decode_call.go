package dialfire

import "ferryman/internal/pipeline"

// decodeCalls reads a page of inbound/calls. cursor is "" on the last one. A call
// without an id is rejected.
func (l *layout) decodeCalls(data []byte) (rows [][]any, rejected []pipeline.Rejected, cursor string, err error) {
	shape := l.shapes.call
	cursor, err = decodePage(data, "inbound/calls", func() { rows, rejected = nil, nil }, func(r *reader) error {
		start := r.offset()
		reason, err := r.otherThan('{')
		switch {
		case err != nil || reason == absent:
			return err
		case reason != "":
			rejected = append(rejected, r.anonymous(nil, start, "the call: "+reason))
			return nil
		}
		row := shape.newRow(r)
		if err := r.row(shape, row, nil); err != nil {
			return err
		}
		if !filled(row[0]) {
			rejected = append(rejected, r.anonymous(row, start, "the call has no id"))
			return nil
		}
		rows = append(rows, l.finish(row))
		return nil
	})
	if err != nil {
		return nil, nil, "", err
	}
	return rows, rejected, cursor, nil
}
