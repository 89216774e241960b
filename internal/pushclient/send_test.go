package pushclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/testwait"
)

// file is n messages that differ.
func file(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"user_id":"u%d","messenger_id":1,"text":"t%06d"}`+"\n", i%7, i)
	}
	return b.String()
}

func wanted(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("t%06d", i)
	}
	return all
}

// told is what was said of refused lines.
type told map[int64]string

func (r told) add(l Line) error {
	texts := make([]string, len(l.Problems))
	for i, p := range l.Problems {
		texts[i] = p.String()
	}
	r[l.N] = strings.Join(texts, "; ")
	return nil
}

func options(r told) SendOptions {
	return SendOptions{Batch: 100, Parallel: 4, Reject: r.add, pause: func(int) time.Duration { return time.Millisecond }}
}

func settled(t *testing.T, got, want Tally) {
	t.Helper()
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Everything good is stored once, whatever it stands among; what is bad is told
// by its line and field.
func TestSend(t *testing.T) {
	t.Parallel()
	s := serve(t)
	text := `{"user_id":"a","messenger_id":1,"text":"one"}

{"user_id":"a","messenger_id":1,"text":" one "}
{"user_id":"","messenger_id":1,"start_at":"soon"}
[{"user_id":"a","messenger_id":1,"text":"two"}]
{"user_id":"a","messenger_id":1,"text":"two"}
5
{"user_id":"a","messenger_id":1,"text":"three","start_at":"2030-01-02T03:04"}
`
	want := told{
		4: "start_at: Datetime has wrong format.; text: This field is required.; user_id: This field may not be blank.",
		5: "Expected one JSON object a line, found the beginning of a list.",
		7: "Expected a JSON object, found another value.",
	}
	for _, batch := range []int{1, 2, 3, 100} {
		first := batch == 1
		got := told{}
		o := options(got)
		o.Batch, o.Parallel = batch, 1
		tally, err := s.client().Send(t.Context(), JSONLines(strings.NewReader(text)), o)
		if err != nil {
			t.Fatal(err)
		}
		expect := Tally{There: 4, Refused: 3, Bytes: int64(len(text) - 1)}
		if first {
			expect = Tally{Stored: 3, There: 1, Refused: 3, Bytes: int64(len(text) - 1)}
		}
		settled(t, tally, expect)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("lists of %d: got %v\nwant %v", batch, got, want)
		}
	}
	if got := s.texts(); !slices.Equal(got, []string{"one", "three", "two"}) {
		t.Errorf("stored %q", got)
	}
}

// A file that was sent in part is completed.
func TestSendAgain(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, run := range []struct{ lines, stored, there int64 }{{250, 250, 0}, {1234, 984, 250}, {1234, 0, 1234}} {
		text := file(int(run.lines))
		tally, err := s.client().Send(t.Context(), JSONLines(strings.NewReader(text)), options(told{}))
		if err != nil {
			t.Fatal(err)
		}
		settled(t, tally, Tally{Stored: run.stored, There: run.there, Bytes: int64(len(text))})
	}
	if !slices.Equal(s.texts(), wanted(1234)) {
		t.Error("not everything is stored once")
	}
}

// A sender that died before it learned that its list is stored changes nothing for
// the next one.
func TestSendAfterLostAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.hook(nil, drop)
	o := options(told{})
	o.Parallel, o.Tries = 1, 1
	if _, err := s.client().Send(t.Context(), JSONLines(strings.NewReader(file(300))), o); fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("got %v", err)
	}
	s.hook(nil, nil)
	tally, err := s.client().Send(t.Context(), JSONLines(strings.NewReader(file(300))), options(told{}))
	if err != nil {
		t.Fatal(err)
	}
	settled(t, tally, Tally{Stored: 200, There: 100, Bytes: int64(len(file(300)))})
	if !slices.Equal(s.texts(), wanted(300)) {
		t.Error("not everything is stored once")
	}
}

// Lists are no longer than asked for, calls no more at the same time, and both
// are made use of.
func TestSendBounds(t *testing.T) {
	t.Parallel()
	s := serve(t)
	waiting := make(chan struct{}, 4)
	s.before = func(http.ResponseWriter, []byte) bool {
		select {
		case waiting <- struct{}{}:
			if len(waiting) < cap(waiting) { // wait until all four are here
				testwait.Until(s.t, "four calls at the same time", func() bool { return len(waiting) == cap(waiting) })
			}
		default:
		}
		return false
	}
	if _, err := s.client().Send(t.Context(), JSONLines(strings.NewReader(file(1010))), options(told{})); err != nil {
		t.Fatal(err)
	}
	slices.Sort(s.sizes)
	if s.top != 4 || len(s.sizes) != 11 || s.sizes[0] != 10 || s.sizes[1] != 100 || s.sizes[10] != 100 {
		t.Errorf("%d calls at the same time, lists of %v", s.top, s.sizes)
	}

	large := strings.Repeat(`{"user_id":"u","messenger_id":1,"text":"`+strings.Repeat("x", maxLine-100)+"\"}\n", 40)
	var longest atomic.Int64
	s.hook(func(_ http.ResponseWriter, body []byte) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		longest.Store(max(longest.Load(), int64(len(body))))
		return false
	}, nil)
	if _, err := s.client().Send(t.Context(), JSONLines(strings.NewReader(large)), options(told{})); err != nil {
		t.Fatal(err)
	}
	if n := longest.Load(); n > maxBody+1000 || n < maxBody/2 {
		t.Errorf("a body of %d bytes", n)
	}
}

// What fails in passing is sent again, with the same key, so that an answer that
// got lost makes no difference.
func TestSendTriesAgain(t *testing.T) {
	t.Parallel()
	s := serve(t)
	status := func(code int, header ...string) func(http.ResponseWriter, []byte) bool {
		return func(w http.ResponseWriter, _ []byte) bool {
			for _, h := range header {
				w.Header().Set("Retry-After", h)
			}
			w.WriteHeader(code)
			return true
		}
	}
	before := []func(http.ResponseWriter, []byte) bool{
		status(429, "1"), status(503), status(500), status(502), status(504), drop,
		func(http.ResponseWriter, []byte) bool { return false },
	}
	var calls, lost atomic.Int64
	s.before = func(w http.ResponseWriter, b []byte) bool {
		return before[min(int(calls.Add(1)), len(before))-1](w, b)
	}
	s.after = func(w http.ResponseWriter, b []byte) bool { return lost.Add(1) <= 2 && drop(w, b) }
	var waits []time.Duration
	o := options(told{})
	o.Parallel, o.Batch = 1, 50
	o.Retrying = func(_ error, wait time.Duration) { waits = append(waits, wait) }
	tally, err := s.client().Send(t.Context(), JSONLines(strings.NewReader(file(50))), o)
	if err != nil {
		t.Fatal(err)
	}
	settled(t, tally, Tally{Stored: 50, Bytes: int64(len(file(50)))})
	if !slices.Equal(s.texts(), wanted(50)) {
		t.Error("not everything is stored once")
	}
	if len(waits) != 8 || waits[0] != time.Second || waits[1] != time.Millisecond {
		t.Errorf("waited %v", waits)
	}
	if len(s.keys) != 3 || s.keys[0] == "" || s.keys[1] != s.keys[0] || s.keys[2] != s.keys[0] {
		t.Errorf("keys %q", s.keys)
	}
}

// What does not pass ends the sending, with what was done by then.
func TestSendGivesUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status, tries int
		kind          fault.Kind
	}{
		"trouble":      {503, DefaultTries, fault.Unavailable},
		"no key":       {401, 1, fault.Unauthorized},
		"not its work": {403, 1, fault.Forbidden},
		"nothing here": {404, 1, fault.NotFound},
		"too large":    {413, 1, fault.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			var calls atomic.Int64
			s.before = func(w http.ResponseWriter, _ []byte) bool {
				if calls.Add(1) == 1 {
					return false
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, `{"detail":"no: `+testKey+`"}`)
				return true
			}
			o := options(told{})
			o.Parallel = 1
			tally, err := s.client().Send(t.Context(), JSONLines(strings.NewReader(file(1000))), o)
			if fault.KindOf(err) != test.kind {
				t.Errorf("got %v, want kind %v", err, test.kind)
			}
			if err != nil && strings.Contains(err.Error(), testKey) {
				t.Errorf("the error has the key: %v", err)
			}
			if got := int(calls.Load()); got != 1+test.tries {
				t.Errorf("%d calls, want %d", got, 1+test.tries)
			}
			settled(t, tally, Tally{Stored: 100, Bytes: int64(len(file(100)))})
		})
	}
}

// Answers that make no sense end it, too, and not in a circle.
func TestSendNotUnderstood(t *testing.T) {
	t.Parallel()
	for _, answer := range []struct {
		status int
		body   string
	}{
		{201, "[]"}, {201, "<html>"}, {400, `[{"text":["No."]}]`}, {400, `[{},{}]`}, {400, `{"detail":"JSON parse error - it is none"}`}, {302, ""},
	} {
		s := serve(t)
		s.before = func(w http.ResponseWriter, _ []byte) bool {
			w.WriteHeader(answer.status)
			_, _ = io.WriteString(w, answer.body)
			return true
		}
		tally, err := s.client().Send(t.Context(), JSONLines(strings.NewReader(file(2))), options(told{}))
		if err == nil || fault.Temporary(err) {
			t.Errorf("%d %s: got %v", answer.status, answer.body, err)
		}
		settled(t, tally, Tally{})
	}
}

// Called off, it counts what is under way, and waits for no reader.
func TestSendCalledOff(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.before = func(http.ResponseWriter, []byte) bool {
		cancel()
		return false
	}
	endless, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = io.WriteString(w, file(100)) }()
	tally, err := s.client().Send(ctx, JSONLines(endless), options(told{}))
	if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Canceled {
		t.Errorf("got %v", err)
	}
	settled(t, tally, Tally{Stored: 100, Bytes: int64(len(file(100)))})
}

// What comes slowly does not wait for a full list.
func TestSendLingers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	slow, w := io.Pipe()
	go func() {
		defer w.Close()
		_, _ = io.WriteString(w, file(3))
		testwait.Until(t, "the beginning to be stored", func() bool { return len(s.texts()) == 3 })
	}()
	tally, err := s.client().Send(t.Context(), JSONLines(slow), options(told{}))
	if err != nil {
		t.Fatal(err)
	}
	settled(t, tally, Tally{Stored: 3, Bytes: int64(len(file(3)))})
}

// A file that cannot be read on, and rejects that cannot be kept, end it.
func TestSendFails(t *testing.T) {
	t.Parallel()
	s := serve(t)
	broken := errors.New("the disk is broken")
	half := io.MultiReader(strings.NewReader(file(150)), iotestErr{broken})
	tally, err := s.client().Send(t.Context(), JSONLines(half), options(told{}))
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	settled(t, tally, Tally{Stored: 150, Bytes: int64(len(file(150)))})

	o := options(nil)
	o.Reject = func(Line) error { return broken }
	if _, err = s.client().Send(t.Context(), JSONLines(strings.NewReader("x\n")), o); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type iotestErr struct{ err error }

func (r iotestErr) Read([]byte) (int, error) { return 0, r.err }

func TestStore(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.client()
	d := Draft{UserID: "a", Messenger: "1", Text: "hello", StartAt: "2030-01-02T03:04"}
	id, err := c.Store(t.Context(), d, SendOptions{})
	if err != nil || id != 1 {
		t.Fatalf("got %d, %v", id, err)
	}
	_, err = c.Store(t.Context(), d, SendOptions{})
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok || !refused.Taken(0) {
		t.Fatalf("got %v", err)
	}
	m, found, err := c.Find(t.Context(), d)
	if err != nil || !found || m.ID != 1 || m.State != "scheduled" {
		t.Errorf("got %+v, %v, %v", m, found, err)
	}
	d.StartAt, d.Text = "soon", ""
	_, err = c.Store(t.Context(), d, SendOptions{})
	refused, ok = errors.AsType[*RefusedError](err)
	if !ok || refused.Taken(0) || err.Error() != "the server refuses it: start_at: Datetime has wrong format.; text: This field may not be blank." {
		t.Errorf("got %v", err)
	}
	d.Text = "\xff"
	if _, err = c.Store(t.Context(), d, SendOptions{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}
