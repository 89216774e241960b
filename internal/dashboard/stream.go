package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"ferryman/internal/fault"
)

// stream is the server-sent events that say what has changed: an object with the
// version of each topic, first as it is and then after each change.
func (d *Dashboard) stream(w http.ResponseWriter, r *http.Request) {
	req, err := d.enter(r, viewers, unattended)
	if err != nil {
		http.Error(w, "sign in", d.o.Status(err)) // no page: a script reads it
		return
	}
	shut, ok := d.live.open(req.viewer.Name())
	if !ok {
		http.Error(w, errManyStreams.Detail, d.o.Status(errManyStreams))
		return
	}
	defer shut()
	c := d.live.join()
	defer d.live.leave(c)
	events := d.newEvents(w)
	if events.beat() != nil { // or a browser that has the newest already would not know that it is connected
		return
	}
	topics := req.viewer.topics(d.live.topics())
	tell := func(all map[string]string) error {
		text := d.versionsOf(all, topics)
		return events.send("", text, text)
	}
	all := d.live.ask(r.Context())
	if d.versionsOf(all, topics) != r.Header.Get("Last-Event-ID") && tell(all) != nil {
		return
	}
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-d.live.done:
			return
		case <-beat.C:
			if _, err := d.identify(r, unattended); err != nil { // the session may have ended
				return
			}
			if events.beat() != nil {
				return
			}
		case all := <-c:
			if tell(all) != nil {
				return
			}
		}
	}
}

// errManyStreams says that there is no place for another stream.
var errManyStreams = &fault.Error{Kind: fault.Unavailable, Code: "too_many_streams", Detail: "too many pages are open"}

// topics are those of all that the viewer may know the versions of.
func (v viewer) topics(all []string) []string {
	if v.Operator() {
		return all
	}
	return []string{"ledger"}
}

// versionsOf gives the versions of some topics as pages and the stream have them.
// They tell that something is different, and not what: a version may count what
// the viewer may not see. One that could not be asked for is "": the next event
// then differs from it.
func (d *Dashboard) versionsOf(all map[string]string, topics []string) string {
	some := map[string]string{}
	for _, t := range topics {
		if all[t] == "" {
			some[t] = ""
			continue
		}
		some[t] = d.sealed(t + " " + all[t])[:16]
	}
	text, err := json.Marshal(some)
	if err != nil {
		return "" // texts always encode
	}
	return string(text)
}

// events writes server-sent events.
type events struct {
	w        http.ResponseWriter
	deadline deadline
}

func (d *Dashboard) newEvents(w http.ResponseWriter) events {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // or proxies of that kind would keep events back
	return events{w: w, deadline: d.deadline(w)}
}

// send writes one event; data has no line breaks.
func (e events) send(event, id, data string) error {
	text := "data: " + data + "\n\n"
	if id != "" {
		text = "id: " + id + "\n" + text
	}
	if event != "" {
		text = "event: " + event + "\n" + text
	}
	return e.write(text)
}

// beat shows that the stream is alive.
func (e events) beat() error { return e.write(":\n\n") }

func (e events) write(text string) error {
	e.deadline.start()
	defer e.deadline.lift()
	if _, err := fmt.Fprint(e.w, text); err != nil {
		return err
	}
	return e.deadline.Flush()
}

// deadline bounds how long a browser may take what is written to it.
type deadline struct {
	*http.ResponseController
	within time.Duration
}

func (d *Dashboard) deadline(w http.ResponseWriter) deadline {
	return deadline{http.NewResponseController(w), d.within}
}

// start has what is written from now on taken in time.
func (d deadline) start() { _ = d.SetWriteDeadline(time.Now().Add(d.within)) }

// lift comes before a time in which nothing is written: HTTP/2 ends the request at its
// deadline whether anything is written or not.
func (d deadline) lift() { _ = d.SetWriteDeadline(time.Time{}) }
