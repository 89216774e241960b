package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/params"
)

// logPart is the messages of a run, as far as its page shows them.
type logPart struct {
	Messages []ledger.Message
	Chips    []chip
	Search   string
	Level    string
	Older    string // the address of those before; "" if there are none
	Newer    string // likewise of those after, where the page does not show the last
	Dropped  int64  // that were not kept
	Tail     string // the address of the stream of what comes; "" if nothing can come
	Last     int64  // id of the last that is shown
}

// levels are the filters by the level of messages: each lets those above it pass.
var levels = []struct {
	word, value string
	types       []ledger.MessageType
}{
	{"All", "", nil},
	{"Warnings and errors", "warning", []ledger.MessageType{ledger.Warning, ledger.Error}},
	{"Errors", "error", []ledger.MessageType{ledger.Error}},
}

// messageFilter is what an address asks of the messages of a run.
func messageFilter(r *request) (f ledger.MessageFilter, level string, err error) {
	values := make([]string, len(levels))
	for i, l := range levels {
		values[i] = l.value
	}
	if level, err = params.Word(r.query, "level", values...); err != nil {
		return f, "", err
	}
	for _, l := range levels {
		if l.value == level {
			f.Types = l.types
		}
	}
	f.Search, _, err = r.query.Text("q", maxAsked)
	return f, level, err
}

// logOf reads the messages that the address asks for: the last ones, those before
// some, or those from one on.
func (d *Dashboard) logOf(r *request, e ledger.ListedExecution) (p logPart, err error) {
	f, level, err := messageFilter(r)
	if err != nil {
		return p, err
	}
	if f.Before, err = r.query.ID("before"); err != nil {
		return p, err
	}
	from, err := r.query.ID("from")
	if err != nil {
		return p, err
	}
	if from > 0 {
		f.Before, f.After, f.First = 0, from-1, true
	}
	f.Limit = messagesOnPage + 1
	all, err := d.o.Ledger.MessagePage(r.Context(), e.ID, f)
	if err != nil {
		return p, err
	}
	counts, err := d.o.Ledger.MessageCounts(r.Context(), e.ID)
	if err != nil {
		return p, err
	}
	page := "runs/" + strconv.FormatInt(e.ID, 10)
	more := len(all) > messagesOnPage
	switch {
	case more && f.First:
		all = all[:messagesOnPage]
		p.Newer = with(r.query, page, "from", strconv.FormatInt(all[len(all)-1].ID+1, 10), "before", "") + "#log"
	case more:
		all = all[1:]
		p.Older = with(r.query, page, "before", strconv.FormatInt(all[0].ID, 10), "from", "") + "#log"
	}
	if f.First && len(all) > 0 {
		p.Older = with(r.query, page, "before", strconv.FormatInt(all[0].ID, 10), "from", "") + "#log"
	}
	if f.Before > 0 {
		p.Newer = with(r.query, page, "before", "", "from", strconv.FormatInt(f.Before, 10)) + "#log"
	}
	p.Messages, p.Search, p.Level, p.Dropped = all, f.Search, level, e.Dropped()
	for _, l := range levels {
		n := int64(0)
		for kind, count := range counts {
			if l.types == nil || slices.Contains(l.types, kind) {
				n += count
			}
		}
		p.Chips = append(p.Chips, chip{
			Word: l.word, Link: with(r.query, page, "level", l.value, "before", "", "from", "") + "#log", On: l.value == level,
			Count: n, Counted: true,
		})
	}
	p.Last = f.After // nothing before it is to be streamed
	if len(all) > 0 {
		p.Last = all[len(all)-1].ID
	}
	if p.Newer == "" && e.EndedAt.IsZero() {
		p.Tail = with(params.Query{}, page+"/tail", "level", level, "q", f.Search, "after", strconv.FormatInt(p.Last, 10))
	}
	return p, nil
}

// tailMessage is a message as the stream has it.
type tailMessage struct {
	ID    int64  `json:"id"`
	Level string `json:"level"`
	At    string `json:"at"`   // exact
	Time  string `json:"time"` // as it is shown
	Text  string `json:"text"`
	Cut   bool   `json:"cut,omitempty"`
}

// tailRhythm is how often a stream looks for what is new.
const tailRhythm = 500 * time.Millisecond

// tail streams the messages of a run as they come, from the one with the id after
// on, and ends with the run.
func (d *Dashboard) tail(w http.ResponseWriter, r *request) error {
	e, err := d.runAsked(r)
	if err != nil {
		return err
	}
	f, _, err := messageFilter(r)
	if err != nil {
		return err
	}
	if f.After, err = tailFrom(r); err != nil {
		return err
	}
	f.Limit = messagesOnPage
	shut, ok := d.live.open(r.viewer.Name())
	if !ok {
		return errManyStreams
	}
	defer shut()
	out := d.newEvents(w)
	if out.beat() != nil { // the browser shall know that it is connected
		return nil
	}
	counted := int64(-1)
	tick := time.NewTicker(tailRhythm)
	defer tick.Stop()
	for beats := 1; ; beats++ {
		ended, err := d.tailOnce(r, out, e.ID, &f, &counted)
		if err != nil || ended {
			return nil // the browser asks again from where it was
		}
		if beats%int(liveBeat/tailRhythm) == 0 {
			if _, err := d.identify(r.Request, unattended); err != nil || out.beat() != nil {
				return nil // the session is over, or the browser gone
			}
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-d.live.done:
			return nil
		case <-tick.C:
		}
	}
}

func tailFrom(r *request) (int64, error) {
	if id, canonical := params.Whole(r.Header.Get("Last-Event-ID")); canonical && id > 0 {
		return id, nil
	}
	if r.query.Get("after") == "0" {
		return 0, nil
	}
	return r.query.ID("after")
}

// tailOnce sends what has come since the run had counted so many messages. Whether
// it has ended is asked first, so that what it said at its end is sent. Messages are
// looked at only where there are more than before: none may match, and that takes
// reading all of them.
func (d *Dashboard) tailOnce(r *request, out events, id int64, f *ledger.MessageFilter, counted *int64) (ended bool, err error) {
	e, err := d.o.Ledger.Execution(r.Context(), r.viewer.AppID, id)
	if err != nil {
		return false, err
	}
	for e.Messages != *counted {
		some, err := d.o.Ledger.MessagePage(r.Context(), id, *f)
		if err != nil {
			return false, err
		}
		for i := range some {
			m := &some[i]
			if m.ID <= f.After {
				continue
			}
			shown := cut(m.Text, shownMessage)
			text, err := json.Marshal(tailMessage{
				ID: m.ID, Level: string(m.Type), At: m.At.Format(time.RFC3339Nano), Time: r.ofDay(m.At),
				Text: visible(shown), Cut: len(shown) < len(m.Text),
			})
			if err != nil {
				return false, err
			}
			if err := out.send("message", strconv.FormatInt(m.ID, 10), string(text)); err != nil {
				return false, err
			}
			f.After = m.ID
		}
		if len(some) < f.Limit {
			break
		}
	}
	*counted = e.Messages
	if !e.EndedAt.IsZero() {
		return true, out.send("end", "", string(e.Status))
	}
	return false, nil
}

// downloadMessages gives all messages of a run that are kept, as text.
func (d *Dashboard) downloadMessages(w http.ResponseWriter, r *request) error {
	e, err := d.runAsked(r)
	if err != nil {
		return err
	}
	limit := d.deadline(w)
	for after := int64(0); ; {
		some, err := d.o.Ledger.Messages(r.Context(), e.ID, after, messagesOnPage)
		switch {
		case err != nil && after == 0:
			return err
		case err != nil:
			panic(http.ErrAbortHandler) // or half would pass for the whole
		case after == 0:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="run-%d.txt"`, e.ID))
		}
		limit.start() // also for what is written at the end of all
		for i := range some {
			m := &some[i]
			limit.start()
			if _, err := fmt.Fprintf(w, "%s %-7s %s\n", m.At.UTC().Format("2006-01-02T15:04:05.000Z"), m.Type, m.Text); err != nil {
				return nil //nolint:nilerr // the browser is gone
			}
			after = m.ID
		}
		if len(some) < messagesOnPage {
			return nil
		}
		limit.lift() // while the store is asked
	}
}

// oneMessage gives the whole text of one message.
func (d *Dashboard) oneMessage(w http.ResponseWriter, r *request) error {
	e, err := d.runAsked(r)
	if err != nil {
		return err
	}
	id, canonical := params.Whole(r.PathValue("message"))
	none := &fault.Error{Kind: fault.NotFound, Code: "message_unknown", Detail: "the run has no such message"}
	if !canonical || id < 1 {
		return none
	}
	some, err := d.o.Ledger.Messages(r.Context(), e.ID, id-1, 1)
	if err != nil {
		return err
	}
	if len(some) == 0 || some[0].ID != id {
		return none
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintln(w, some[0].Text) // the browser may be gone
	return nil
}
