package messengers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func accept(s *arrivals, to Messenger, recipient, text string) (Arrival, error) {
	return s.record(Arrival{At: time.Unix(7, 0), Messenger: to, Recipient: recipient, Text: text, Status: 200}, telegram{}.id)
}

// The counts are those of a plain list of everything, and the newest are kept.
func TestCountsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keep := rapid.IntRange(1, 40).Draw(t, "keep")
		s, err := New(Options{Keep: keep})
		if err != nil {
			t.Fatal(err)
		}
		type sent struct {
			to              Messenger
			recipient, text string
		}
		times := map[sent]int{}
		var list []sent
		for range rapid.IntRange(0, 150).Draw(t, "n") {
			m := sent{
				rapid.SampledFrom(all[:]).Draw(t, "to"), rapid.SampledFrom([]string{"a", "ab"}).Draw(t, "recipient"),
				rapid.SampledFrom([]string{"b", "", "bb"}).Draw(t, "text"),
			}
			times[m]++
			list = append(list, m)
			a, err := accept(&s.arrivals, m.to, m.recipient, m.text)
			if err != nil || a.Times != times[m] || a.Seq != int64(len(list)) {
				t.Fatalf("%+v, %v", a, err)
			}
		}
		often, repeated := map[int]int64{}, 0
		for _, n := range times {
			often[n]++
			if n > 1 {
				repeated++
			}
		}
		c := s.Counts()
		if c.Arrived != int64(len(list)) || c.Distinct != int64(len(times)) || c.Duplicates != int64(len(list)-len(times)) ||
			!maps.Equal(c.Often, often) || len(c.Repeated) != repeated || !c.Exact {
			t.Fatalf("counted %+v, want %d, %d distinct, often %v", c, len(list), len(times), often)
		}
		for _, r := range c.Repeated {
			if times[sent{r.Messenger, r.Recipient, r.Text}] != r.Times {
				t.Fatalf("repeated %+v", r)
			}
		}
		after := rapid.IntRange(0, 160).Draw(t, "after")
		from := min(max(len(list)-keep, after), len(list))
		i := from
		for a := range s.Arrivals(Query{After: int64(after)}) {
			if m := list[i]; a.Seq != int64(i+1) || a.Messenger != m.to || a.Recipient != m.recipient || a.Text != m.text {
				t.Fatalf("arrival %d is %+v, want %+v", i, a, m)
			}
			i++
		}
		if i != len(list) {
			t.Fatalf("listed %d to %d of %d", from, i, len(list))
		}
	})
}

func TestArrivalsAreBoundedInBytes(t *testing.T) {
	s := start(t, Options{})
	text := strings.Repeat("x", maxBody)
	for i := range 100 {
		if _, err := accept(&s.arrivals, Webhook, fmt.Sprint(i), text); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.list(Query{})); n > 64 || n < 60 {
		t.Errorf("%d are kept", n)
	}
	if c := s.Total(); c.Arrived != 100 || c.Distinct != 100 {
		t.Errorf("counted %+v", c)
	}
}

func TestListWhileMoreArrives(t *testing.T) {
	s := start(t, Options{Keep: 1_000})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2_000 {
				if _, err := accept(&s.arrivals, Telegram, "5", fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	last := int64(0)
	for range 20 {
		for a := range s.Arrivals(Query{Newest: 300}) {
			if a.ID != fmt.Sprint(a.Seq) {
				t.Fatalf("torn %+v", a)
			}
			last = max(last, a.Seq)
		}
	}
	wg.Wait()
	if c := s.Total(); c.Arrived != 8_000 || c.Distinct != 2_000 || c.Often[4] != 2_000 || last > 8_000 {
		t.Errorf("counted %+v", c)
	}
}

func TestJournal(t *testing.T) {
	var b bytes.Buffer
	s := start(t, Options{Journal: &b})
	want(t, 200, s.send(Telegram, "5", hello))
	want(t, 403, s.send(Telegram, "blocked", hello))
	want(t, 500, s.send(Webhook, "broken", `{"n":1}`))
	s.inject("reset,times=1")
	if _, _, err := do(s.send(Viber, "5", "x")); err == nil {
		t.Error("no reset")
	}
	if n := s.Total().Arrived; n != 2 { // this also waits for the last line
		t.Errorf("%d arrived", n)
	}
	var got []string
	for lines := bufio.NewScanner(&b); lines.Scan(); {
		var a Arrival
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s %s %q %d", a.Seq, a.Messenger, a.Recipient, a.Text, a.Status))
	}
	wanted := fmt.Sprintf("1 telegram 5 %q 200|2 webhook broken %q 500|3 viber 5 \"x\" 0", hello, `{"n":1}`)
	if strings.Join(got, "|") != wanted {
		t.Errorf("journal %s", strings.Join(got, "|"))
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// What cannot be witnessed is not accepted.
func TestJournalFails(t *testing.T) {
	s := start(t, Options{Journal: full{}})
	for _, recipient := range []string{"5", "broken"} {
		if text := want(t, 500, s.send(Webhook, recipient, "x")); !strings.Contains(text, "disk full") {
			t.Errorf("answer %s", text)
		}
	}
	if c := s.Total(); c.Arrived != 0 || len(s.list(Query{})) != 0 {
		t.Errorf("counted %+v", c)
	}
}

func TestAwaitArrived(t *testing.T) {
	s := start(t, Options{})
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() { done <- s.AwaitArrived(ctx, 3) }()
	for i := range 3 {
		want(t, 200, s.send(Viber, "5", fmt.Sprint(i)))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	cancel()
	if err := s.AwaitArrived(ctx, 3); err != nil {
		t.Error(err)
	}
	if err := s.AwaitArrived(ctx, 4); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "3 of 4") {
		t.Error(err)
	}
}

func TestControlArrivals(t *testing.T) {
	s := start(t, Options{})
	get := func(query string) string { return want(t, 200, s.request("GET", "/_sandbox/arrivals"+query, "")) }
	if text := get(""); text != "[]\n" {
		t.Errorf("nothing is %q", text)
	}
	for _, m := range all {
		for _, recipient := range []string{"5", "6", "6"} {
			want(t, 200, s.send(m, recipient, hello))
		}
	}
	for query, want := range map[string]string{
		"":                                "1 2 3 4 5 6 7 8 9 10 11 12",
		"?messenger=viber":                "4 5 6",
		"?recipient=5":                    "1 4 7 10",
		"?messenger=webhook&recipient=6":  "11 12",
		"?after=10":                       "11 12",
		"?after=2&limit=2":                "3 4",
		"?messenger=viber&after=4&limit=": "5 6",
		"?after=99":                       "",
	} {
		var list []Arrival
		if err := json.Unmarshal([]byte(get(query)), &list); err != nil {
			t.Fatal(err)
		}
		var seqs []string
		for _, a := range list {
			seqs = append(seqs, fmt.Sprint(a.Seq))
		}
		if got := strings.Join(seqs, " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	var c Counts
	if err := json.Unmarshal([]byte(get("?count=1")), &c); err != nil {
		t.Fatal(err)
	}
	if c.Arrived != 12 || c.Distinct != 8 || c.Duplicates != 4 || c.Often[2] != 4 || len(c.Repeated) != 4 || c.Repeated[0].Times != 2 || c.First.IsZero() {
		t.Errorf("counted %+v", c)
	}
	if text := get("?count=1&messenger=viber"); !strings.Contains(text, `"arrived":3,"distinct":2,"duplicates":1,"often":{"1":1,"2":1}`) {
		t.Errorf("counted %s", text)
	}
	want(t, 200, s.request("DELETE", "/_sandbox/arrivals", ""))
	if text := get("") + get("?count=1"); !strings.HasPrefix(text, "[]\n{\"requests\":0,\"refused\":0,\"arrived\":0,") {
		t.Errorf("after forgetting: %s", text)
	}
}
