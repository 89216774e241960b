package httpapi

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"ferryman/internal/ledgerjson"
	"ferryman/internal/params"
)

// The forms of a list.
const (
	jsonPage  = "json"  // one page as an object
	jsonLines = "jsonl" // the whole, an object on each line
	csvTable  = "csv"   // the whole as a table
)

const (
	jsonLinesMIME = "application/x-ndjson"
	csvMIME       = "text/csv; charset=utf-8; header=present"
)

// formatOf is the form that the query or else the header Accept wants.
func formatOf(r *http.Request, q params.Query) (string, error) {
	format, given, err := q.One("format")
	switch {
	case err != nil:
		return "", err
	case !given:
		return accepted(r), nil
	case format == jsonPage || format == jsonLines || format == csvTable:
		return format, nil
	}
	return "", params.Bad("format", "neither json, jsonl nor csv", "such as ?format=jsonl")
}

func accepted(r *http.Request) string {
	best, format := 0.0, jsonPage
	for one := range strings.SplitSeq(strings.Join(r.Header["Accept"], ","), ",") {
		kind, q := preference(one)
		if q <= best {
			continue
		}
		switch kind {
		case "application/json", "application/*", "*/*":
			best, format = q, jsonPage
		case jsonLinesMIME, "application/jsonl":
			best, format = q, jsonLines
		case "text/csv":
			best, format = q, csvTable
		}
	}
	return format
}

// fetch gives up to limit rows after a cursor, "" at the beginning, and the
// cursor of the rows that follow, "" after the last.
type fetch[T any] func(ctx context.Context, cursor string, limit int) (rows []T, next string, err error)

// listed answers with a page of a list, or with the whole of it. The parameter
// with the cursor is called param, the file with the whole is called name.
func listed[T any](r *http.Request, q params.Query, param, name string, rows fetch[T]) (reply, error) {
	format, err := formatOf(r, q)
	if err != nil {
		return reply{}, err
	}
	limit, err := limitOf(q)
	if err != nil {
		return reply{}, err
	}
	cursor, _, err := q.Text(param, maxText)
	if err != nil {
		return reply{}, err
	}
	if format != jsonPage {
		return export(r, format, name, cursor, rows)
	}
	page, next, err := rows(r.Context(), cursor, limit)
	if err != nil {
		return reply{}, err
	}
	if page == nil {
		page = []T{}
	}
	out := reply{vary: "Accept", body: struct {
		Data []T     `json:"data"`
		Next *string `json:"next"`
	}{page, ledgerjson.OrNull(next)}}
	if next != "" {
		out.link = nextLink(r.URL, q, param, next)
	}
	return out, nil
}

func nextLink(u *url.URL, q params.Query, param, next string) string {
	values := maps.Clone(q.Values)
	values.Set(param, next)
	return fmt.Sprintf(`<%s?%s>; rel="next"`, u.EscapedPath(), values.Encode())
}

// export answers with the whole of a list, of which one page is in memory at a
// time. The first page is read before the answer begins: what goes wrong until
// then is told as always, and later the answer breaks off.
func export[T any](r *http.Request, format, name, cursor string, rows fetch[T]) (reply, error) {
	out := reply{mime: jsonLinesMIME, file: name + ".jsonl", vary: "Accept"}
	encodeAll := asLines[T]
	if format == csvTable {
		out.mime, out.file = csvMIME, name+".csv"
		encodeAll = asCSV[T]
	}
	over := false
	out.more = func(ctx context.Context) ([]byte, error) {
		for !over {
			page, next, err := rows(ctx, cursor, maxLimit)
			if err != nil {
				return nil, err
			}
			cursor, over = next, next == ""
			if len(page) > 0 {
				return encodeAll(page)
			}
		}
		return nil, nil
	}
	first, err := out.more(r.Context())
	if err != nil {
		return reply{}, err
	}
	if format == csvTable {
		head, err := csvText([][]string{ledgerjson.Columns[T]()})
		if err != nil {
			return reply{}, err
		}
		first = append(head, first...)
	}
	out.body = first
	return out, nil
}

func asLines[T any](rows []T) ([]byte, error) {
	var buf bytes.Buffer
	for i := range rows {
		text, err := encode(rows[i])
		if err != nil {
			return nil, err
		}
		buf.Write(text)
		buf.WriteByte('\n')
	}
	return buf.Bytes(), nil
}

func asCSV[T any](rows []T) ([]byte, error) {
	cells := make([][]string, len(rows))
	for i := range rows {
		cells[i] = ledgerjson.Cells(rows[i])
	}
	return csvText(cells)
}

func csvText(rows [][]string) ([]byte, error) {
	var buf bytes.Buffer
	err := csv.NewWriter(&buf).WriteAll(rows)
	return buf.Bytes(), err
}

// idCursor reads a cursor that is an id; 0 for none.
func idCursor(param, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	id, canonical := params.Whole(text)
	if !canonical || id < 1 {
		return 0, params.Bad(param, "not the id of a page before", "give what next was there")
	}
	return id, nil
}

// pageOf cuts what was asked for beyond the page, and gives the cursor of the
// rest.
func pageOf[T, U any](rows []T, limit int, show func(*T) U, cursor func(*T) string) (page []U, next string) {
	if len(rows) > limit {
		rows = rows[:limit]
		next = cursor(&rows[limit-1])
	}
	page = make([]U, len(rows))
	for i := range rows {
		page[i] = show(&rows[i])
	}
	return page, next
}

func idText(id int64) string { return strconv.FormatInt(id, 10) }

// maxText is how long names and cursors may be, in characters. The ledger's own
// bounds are closer.
const maxText = 500
