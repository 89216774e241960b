package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
)

// JSON sends r and has decode read the one JSON value of the answer, as
// DecodeJSON does. An answer that calls itself something else, such as the HTML
// of a login page, is a fault with the code not_json.
func (c *Client) JSON(ctx context.Context, r Request, decode func(*jsontext.Decoder) error) error {
	r.accept = "application/json"
	return c.Do(ctx, r, func(a *Answer) error {
		kind := a.Header.Get("Content-Type")
		if !mayBeJSON(kind) {
			return &fault.Error{
				Kind:   fault.Invalid,
				Code:   "not_json",
				Detail: "expected JSON, found " + a.redact.quote(kind) + ": " + snippet(a.Body, a.redact),
				Hint:   "check that " + c.settings.Address + " is the API's address and not that of a web page",
			}
		}
		return DecodeJSON(a.Body, decode)
	})
}

// mayBeJSON refuses only what names another format: plain text is what servers
// say that do not know better, and the decoder has the last word.
func mayBeJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil && kind == "" {
		return strings.TrimSpace(contentType) == ""
	}
	switch kind {
	case "application/json", "text/json", "text/plain", "application/octet-stream":
		return true
	}
	return strings.HasSuffix(kind, "+json")
}

// DecodeJSON has decode read the one JSON value of r, in a stream. A name that
// comes twice, invalid UTF-8 and half a surrogate pair (both read as U+FFFD) are
// tolerated. Syntax errors, an early end, nesting beyond 10,000 levels and
// anything after the value are faults with the code invalid_json that tell the
// byte offset and not the place in the document, whose names may be anything;
// other errors of r and of decode are returned as they are.
func DecodeJSON(r io.Reader, decode func(*jsontext.Decoder) error) error {
	d := jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	err := decode(d)
	if err == nil {
		err = onlyValue(d)
	}
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case ok && errors.Is(syntax.Err, io.ErrUnexpectedEOF):
		return invalidJSON("the answer ends at byte %d, expected the rest of %s", d.InputOffset()+int64(len(d.UnreadBuffer())), openValue(d))
	case ok:
		return invalidJSON("byte %d: %v", syntax.ByteOffset, syntax.Err)
	case errors.Is(err, io.EOF):
		return invalidJSON("the answer is empty, expected a JSON value at byte 0")
	default:
		return err
	}
}

// onlyValue refuses anything but white space after the value.
func onlyValue(d *jsontext.Decoder) error {
	end := d.InputOffset()
	_, err := d.ReadToken()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok || err == nil {
		return invalidJSON("byte %d: expected the end of the answer, found more after the JSON value", end)
	}
	return err
}

func invalidJSON(format string, args ...any) *fault.Error {
	return &fault.Error{Kind: fault.Invalid, Code: "invalid_json", Detail: "invalid JSON: " + fmt.Sprintf(format, args...)}
}

// openValue names the innermost value that was begun.
func openValue(d *jsontext.Decoder) string {
	switch kind, _ := d.StackIndex(d.StackDepth()); kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	default:
		return "a value"
	}
}
