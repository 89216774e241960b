package campaign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// control registers the control API. Its handlers return what to say.
func (s *Server) control() {
	const base = "/_sandbox/campaigns/{campaign}"
	for pattern, handle := range map[string]func(*campaign, *http.Request) (any, error){
		"GET " + base + "/state":    (*campaign).getState,
		"POST " + base + "/change":  (*campaign).postChange,
		"GET " + base + "/requests": func(c *campaign, _ *http.Request) (any, error) { return c.requests.report(), nil },
		"DELETE " + base + "/requests": func(c *campaign, _ *http.Request) (any, error) {
			c.requests.init()
			return note("counted from zero now"), nil
		},
		"GET " + base + "/quiesce":  (*campaign).getQuiesce,
		"POST " + base + "/quiesce": (*campaign).postQuiesce,
		"GET " + base + "/faults":   func(c *campaign, _ *http.Request) (any, error) { return c.faults.all(), nil },
		"POST " + base + "/faults":  (*campaign).postFault,
		"DELETE " + base + "/faults": func(c *campaign, _ *http.Request) (any, error) {
			return map[string]int{"deleted": c.faults.clear(0)}, nil
		},
		"DELETE " + base + "/faults/{id}": (*campaign).deleteFault,
	} {
		s.mux.HandleFunc(pattern, s.with(func(w http.ResponseWriter, r *http.Request, c *campaign) {
			v, err := handle(c, r)
			say(w, v, err)
		}))
	}
	s.mux.HandleFunc("GET "+base+"/expected/{table}", s.with(getExpected))
	s.mux.HandleFunc("PUT "+base, loopback(func(w http.ResponseWriter, r *http.Request) {
		v, err := s.putCampaign(r)
		say(w, v, err)
	}))
	s.mux.HandleFunc("GET /_sandbox/campaigns", loopback(s.page))
}

// loopback keeps a call to this machine.
func loopback(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || !ip.IsLoopback() {
			writeJSON(w, http.StatusForbidden, note("the control API answers on loopback only"))
			return
		}
		next(w, r)
	}
}

// with finds the campaign that a control call is about.
func (s *Server) with(next func(http.ResponseWriter, *http.Request, *campaign)) http.HandlerFunc {
	return loopback(func(w http.ResponseWriter, r *http.Request) {
		c := s.find(r.PathValue("campaign"))
		if c == nil {
			say(w, nil, errUnknown)
			return
		}
		next(w, r, c)
	})
}

func say(w http.ResponseWriter, v any, err error) {
	switch {
	case errors.Is(err, errUnknown):
		writeJSON(w, http.StatusNotFound, note(err.Error()))
	case err != nil:
		writeJSON(w, http.StatusBadRequest, note(err.Error()))
	default:
		writeJSON(w, http.StatusOK, v)
	}
}

func note(message string) any { return map[string]string{"message": message} }

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone
}

// readJSON decodes one JSON value that is the whole body. A name that it does not
// know is a slip.
func readJSON(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the body is not the JSON expected: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("the body goes on after its JSON")
	}
	return nil
}

// putCampaign adds a campaign, or puts it anew.
func (s *Server) putCampaign(r *http.Request) (any, error) {
	var ask struct {
		Token    string    `json:"token"`
		Contacts int       `json:"contacts"`
		Fields   int       `json:"fields"`
		Plain    bool      `json:"plain"`
		Seed     uint64    `json:"seed"`
		Start    time.Time `json:"start"`
		Rate     float64   `json:"rate"`
		EventsBy string    `json:"events_by"`
		Lag      string    `json:"lag"`
		PerCall  int       `json:"per_call_max"`
	}
	if err := readJSON(r, &ask); err != nil {
		return nil, err
	}
	o := Options{
		Campaign: r.PathValue("campaign"), Token: ask.Token, Contacts: ask.Contacts, Fields: ask.Fields, Plain: ask.Plain, Seed: ask.Seed,
		Start: ask.Start, Rate: ask.Rate, EventsBy: ask.EventsBy, PerCallMax: ask.PerCall,
	}
	if ask.Lag != "" {
		var err error
		if o.Lag, err = time.ParseDuration(ask.Lag); err != nil {
			return nil, fmt.Errorf("lag is %q, not a duration such as 30s", ask.Lag)
		}
	}
	if err := s.Put(o); err != nil {
		return nil, err
	}
	return s.find(o.Campaign).summary(), nil
}

func (c *campaign) getQuiesce(*http.Request) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return map[string]bool{"quiet": c.Rate == 0 || c.live.quiet}, nil
}

func (c *campaign) postQuiesce(r *http.Request) (any, error) {
	ask := struct {
		Quiet bool `json:"quiet"`
	}{true}
	if r.ContentLength != 0 {
		if err := readJSON(r, &ask); err != nil {
			return nil, err
		}
	}
	c.quiesce(ask.Quiet)
	return ask, nil
}

func (c *campaign) postFault(r *http.Request) (any, error) {
	var f Fault
	if err := readJSON(r, &f); err != nil {
		return nil, err
	}
	id, err := c.faults.inject(f)
	return map[string]int{"id": id}, err
}

func (c *campaign) deleteFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id < 1 || c.faults.clear(id) == 0 {
		return nil, errUnknown
	}
	return map[string]int{"deleted": 1}, nil
}

// getExpected streams the rows of the perfect mirror.
func getExpected(w http.ResponseWriter, r *http.Request, c *campaign) {
	want := expectation{table: r.PathValue("table"), prefix: r.FormValue("prefix"), vanished: r.FormValue("vanished") != ""}
	want.filter.mode = r.FormValue("fm")
	if text := r.FormValue("fp"); text != "" {
		want.filter.prefixes = strings.Split(text, ",")
	}
	if !slices.Contains([]string{contactsTable, transactionsTable, connectionsTable, recordingsTable, callsTable, deadLetters}, want.table) {
		say(w, nil, errUnknown)
		return
	}
	if !slices.Contains([]string{"", updatesOnly, hiUpdatesOnly}, want.filter.mode) {
		say(w, nil, fmt.Errorf("fm is %q, not %s or %s", want.filter.mode, updatesOnly, hiUpdatesOnly))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson; charset=utf-8")
	if err := c.writeExpected(w, want); err != nil {
		panic(http.ErrAbortHandler) // so that nobody takes what came for everything
	}
}
