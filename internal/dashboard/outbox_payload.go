package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

const (
	payloadShown = 16 << 10 // bytes of one on the page
	// Larger JSON is shown as it is: to lay it out makes it larger.
	payloadIndent = 256 << 10
)

// shownPayload is what a page shows of a payload.
type shownPayload struct {
	Text string
	JSON bool
	Cut  bool  // there is more
	Size int64 // of all of it, in bytes
}

func payloadOf(s string) shownPayload {
	p := shownPayload{Text: s, Size: int64(len(s))}
	if body := bytes.TrimSpace([]byte(s)); len(s) <= payloadIndent && len(body) > 0 && (body[0] == '{' || body[0] == '[') {
		var out bytes.Buffer
		if json.Indent(&out, body, "", "  ") == nil {
			p.Text, p.JSON = out.String(), true
		}
	}
	if len(p.Text) > payloadShown {
		p.Text, p.Cut = cut(p.Text, payloadShown), true
	}
	return p
}

// downloadPayload gives a payload as it is sent, as a file: no browser shows it.
func (d *Dashboard) downloadPayload(w http.ResponseWriter, r *request) error {
	row, err := d.deliveryAsked(r)
	if err != nil {
		return err
	}
	kind := "txt"
	if json.Valid([]byte(row.Payload)) {
		kind = "json"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"delivery-%d.%s\"", row.ID, kind))
	w.Header().Set("Content-Length", strconv.Itoa(len(row.Payload)))
	_, _ = io.WriteString(w, row.Payload) // the browser may be gone
	return nil
}
