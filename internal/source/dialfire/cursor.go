package dialfire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/pipeline"
)

// placeVersion is the version of the cursors that this program writes.
const placeVersion = 1

// place is what a cursor holds: how far everything is covered, and what is under
// way. All times are UTC, in milliseconds.
type place struct {
	Version int `json:"v"`
	// Batch counts the batches, so that each has a cursor of its own: a second writer
	// who began at the same place is told from the first.
	Batch int64 `json:"n"`

	Start     time.Time `json:"start,omitzero"` // contacts unchanged since were not asked for; zero: all were
	Job       *job      `json:"job,omitempty"`
	List      *listing  `json:"list,omitempty"`
	Events    span      `json:"events,omitzero"`
	Calls     span      `json:"calls,omitzero"`
	Listed    time.Time `json:"listed,omitzero"`    // when the last complete listing of changes began
	Rechecked time.Time `json:"rechecked,omitzero"` // when the last complete recheck began

	// Form is how rows are made of contacts, as a digest: see formOf.
	Form   string     `json:"form,omitempty"`
	Fields fieldsSeen `json:"fields,omitzero"`
	// Refetch is since when contacts may have been brought without a field that came to
	// be known later; zero if there are none.
	Refetch time.Time `json:"refetch,omitzero"`
}

// job is a first listing with all that belongs to it.
type job struct {
	From   time.Time `json:"from,omitzero"` // zero is everything
	Began  time.Time `json:"began"`
	All    bool      `json:"all,omitempty"`   // brings also what has the same MD5
	Listed time.Time `json:"listed,omitzero"` // when the last pass began; zero until it is through and calls follow
}

// purpose is what a listing is for.
type purpose string

const (
	forJob     purpose = "job"
	forChanges purpose = "changes"
	forRecheck purpose = "recheck"
	forFields  purpose = "fields"
)

// listing is a list of contacts under way.
type listing struct {
	For   purpose   `json:"for"`
	Since string    `json:"since,omitempty"` // the date; "" lists all
	Began time.Time `json:"began"`
	Page  string    `json:"page,omitempty"` // the API's cursor; "" is the first
	Pass  int       `json:"pass,omitempty"` // of a job: 1 is the first
	Found bool      `json:"found,omitempty"`
}

// span is how far a list by time is covered.
type span struct {
	Through time.Time `json:"through,omitzero"`
	Window  *window   `json:"window,omitempty"` // under way
}

// window is the part of a list by time that is being read.
type window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Page string    `json:"page,omitempty"`
}

// fieldsSeen is the list of fields that was in force.
type fieldsSeen struct {
	Digest string    `json:"digest,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

func (w window) query(more url.Values) url.Values {
	query := url.Values{"from": {w.From.UTC().Format(sentTime)}, "to": {w.To.UTC().Format(sentTime)}}
	maps.Copy(query, more)
	return query
}

// fresh tells whether nothing was covered yet.
func (p *place) fresh() bool { return p.Events.Through.IsZero() && p.Job == nil }

// encode is the cursor of the place.
func (p *place) encode() (pipeline.Cursor, error) {
	text, err := json.Marshal(p)
	return pipeline.Cursor(text), err
}

// decodePlace reads a cursor; "" is a place where nothing is covered.
func decodePlace(c pipeline.Cursor) (place, error) {
	if c == "" {
		return place{Version: placeVersion}, nil
	}
	var version struct {
		Version int `json:"v"`
	}
	if err := json.Unmarshal([]byte(c), &version); err != nil || version.Version < 1 {
		return place{}, unreadable("is not one of the contact sync", err)
	}
	if version.Version > placeVersion {
		return place{}, unreadable(fmt.Sprintf("is of version %d, and this program knows them up to %d", version.Version, placeVersion), nil)
	}
	var p place
	d := json.NewDecoder(bytes.NewReader([]byte(c)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return place{}, unreadable("cannot be read", err)
	}
	if !p.sound() {
		return place{}, unreadable("contradicts itself", nil)
	}
	return p, nil
}

// sound tells whether what is under way fits together.
func (p *place) sound() bool {
	forAJob := p.List != nil && p.List.For == forJob
	if p.Job == nil {
		return !forAJob
	}
	return forAJob == p.Job.Listed.IsZero() && (forAJob || p.List == nil)
}

func unreadable(what string, err error) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: "unreadable_cursor",
		Detail: "the saved cursor " + what,
		Hint: "if another version of this program has written it, use that one; " +
			"otherwise delete the pipeline's row in ferryman_state, after which contacts are listed and compared again and nothing is lost",
		Err: err,
	}
}

// digestOf tells lists of fields apart.
func digestOf(fields []Field) string {
	sum := sha256.New()
	for _, f := range fields {
		sum.Write(fmt.Appendf(nil, "%q %t,", f.Name, f.Number))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// milli is a time as cursors hold it.
func milli(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// earlier tells whether a start lies before another; zero is before everything.
func earlier(a, b time.Time) bool {
	return !b.IsZero() && (a.IsZero() || a.Before(b))
}
