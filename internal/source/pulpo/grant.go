package pulpo

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/pipeline"
)

// How long a token is taken to last when the answer does not say so usably, and
// at most: a wrong figure must not keep a token for years.
const (
	defaultLifetime = 5 * time.Minute
	maxLifetime     = 24 * time.Hour
)

// decodeGrant reads the answer of a token request.
func decodeGrant(d *jsontext.Decoder) (grant, error) {
	if wrong, err := expect(d, '{'); err != nil {
		return grant{}, err
	} else if wrong != nil {
		return grant{}, wrong.fault("the token answer")
	}
	g := grant{lifetime: defaultLifetime}
	access := pipeline.Column{Name: "access_token", Type: pipeline.Text, Required: true}
	accessFound := foundNothing
	err := members(d, func(name string) (err error) {
		switch name {
		case access.Name:
			var v any
			v, accessFound, err = value(d, access)
			g.token, _ = v.(string)
			return err
		case "expires_in":
			g.lifetime, err = lifetime(d)
			return err
		default:
			return d.SkipValue()
		}
	})
	if err != nil {
		return grant{}, err
	}
	if accessFound == "" && !sendable(g.token) {
		accessFound = "a string that no header can carry"
	}
	if accessFound != "" {
		return grant{}, (&trouble{field: access.Name, expected: "a string", found: accessFound}).fault("the token answer")
	}
	return g, nil
}

// lifetime reads a number of seconds.
func lifetime(d *jsontext.Decoder) (time.Duration, error) {
	kind, err := peek(d)
	if err != nil {
		return 0, err
	}
	if kind != '0' {
		return defaultLifetime, d.SkipValue()
	}
	t, err := d.ReadToken()
	if err != nil {
		return 0, err
	}
	// Out of range is infinite, and so at most the maximum.
	seconds, _ := strconv.ParseFloat(t.String(), 64)
	if seconds <= 0 {
		return defaultLifetime, nil
	}
	seconds = min(seconds, maxLifetime.Seconds())
	return max(time.Duration(seconds*float64(time.Second)), time.Second), nil
}

// sendable tells whether a header can carry the token.
func sendable(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}
