package httpapi

import (
	"net/http"
	"strconv"
	"strings"
)

// prefersText tells whether a client, such as a shell script, asks for plain text
// by name and would rather have it than JSON.
func prefersText(r *http.Request) bool {
	var text, json float64
	for _, header := range r.Header["Accept"] {
		for one := range strings.SplitSeq(header, ",") {
			kind, q := preference(one)
			switch kind {
			case "text/plain", "text/*":
				text = max(text, q)
			case "application/json", "application/*":
				json = max(json, q)
			}
		}
	}
	return text > json
}

func preference(text string) (kind string, q float64) {
	kind, params, _ := strings.Cut(text, ";")
	q = 1
	for p := range strings.SplitSeq(params, ";") {
		if name, v, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(name, "q") {
			q, _ = strconv.ParseFloat(v, 64) // 0 if it is none
		}
	}
	return strings.ToLower(strings.TrimSpace(kind)), q
}

const textMIME = "text/plain; charset=utf-8"

// plain is a line of text.
func plain(line string) reply { return reply{mime: textMIME, body: []byte(line + "\n")} }

// told is an answer, or the bare ids for a client that prefers text, one a line.
func told(r *http.Request, answer any, ids ...int64) (reply, error) {
	if !prefersText(r) {
		return ok(answer)
	}
	lines := make([]string, len(ids))
	for i, id := range ids {
		lines[i] = strconv.FormatInt(id, 10)
	}
	return plain(strings.Join(lines, "\n")), nil
}
