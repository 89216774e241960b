package campaign

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"ferryman/internal/sandbox/faults"
)

// control registers the control API. Its handlers return what to say.
func (s *Server) control() {
	const base = "/_sandbox/campaigns/{campaign}"
	ordered := func(c *campaign, r *http.Request) (any, error) { return c.faults.Control(r) }
	for pattern, handle := range map[string]func(*campaign, *http.Request) (any, error){
		"GET " + base + "/state":    (*campaign).getState,
		"POST " + base + "/change":  (*campaign).postChange,
		"GET " + base + "/requests": func(c *campaign, _ *http.Request) (any, error) { return c.requests.report(), nil },
		"DELETE " + base + "/requests": func(c *campaign, _ *http.Request) (any, error) {
			c.requests.init()
			return faults.Note("counted from zero now"), nil
		},
		"GET " + base + "/quiesce":        (*campaign).getQuiesce,
		"POST " + base + "/quiesce":       (*campaign).postQuiesce,
		"GET " + base + "/faults":         ordered,
		"POST " + base + "/faults":        ordered,
		"DELETE " + base + "/faults":      ordered,
		"DELETE " + base + "/faults/{id}": ordered,
	} {
		s.mux.HandleFunc(pattern, s.with(func(w http.ResponseWriter, r *http.Request, c *campaign) {
			v, err := handle(c, r)
			faults.Say(w, v, err)
		}))
	}
	s.mux.HandleFunc("GET "+base+"/expected/{table}", s.with(getExpected))
	s.mux.HandleFunc("PUT "+base, faults.Control(s.putCampaign))
	s.mux.HandleFunc("GET /_sandbox/campaigns", faults.Loopback(s.page))
}

// with finds the campaign that a control call is about.
func (s *Server) with(next func(http.ResponseWriter, *http.Request, *campaign)) http.HandlerFunc {
	return faults.Loopback(func(w http.ResponseWriter, r *http.Request) {
		c := s.find(r.PathValue("campaign"))
		if c == nil {
			faults.Say(w, nil, faults.ErrUnknown)
			return
		}
		next(w, r, c)
	})
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
	if err := faults.ReadJSON(r, &ask); err != nil {
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
		if err := faults.ReadJSON(r, &ask); err != nil {
			return nil, err
		}
	}
	c.quiesce(ask.Quiet)
	return ask, nil
}

// getExpected streams the rows of the perfect mirror.
func getExpected(w http.ResponseWriter, r *http.Request, c *campaign) {
	want := expectation{table: r.PathValue("table"), prefix: r.FormValue("prefix"), vanished: r.FormValue("vanished") != ""}
	want.filter.mode = r.FormValue("fm")
	if text := r.FormValue("fp"); text != "" {
		want.filter.prefixes = strings.Split(text, ",")
	}
	if !slices.Contains([]string{contactsTable, transactionsTable, connectionsTable, recordingsTable, callsTable, deadLetters}, want.table) {
		faults.Say(w, nil, faults.ErrUnknown)
		return
	}
	if !slices.Contains([]string{"", updatesOnly, hiUpdatesOnly}, want.filter.mode) {
		faults.Say(w, nil, fmt.Errorf("fm is %q, not %s or %s", want.filter.mode, updatesOnly, hiUpdatesOnly))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson; charset=utf-8")
	if err := c.writeExpected(w, want); err != nil {
		panic(http.ErrAbortHandler) // so that nobody takes what came for everything
	}
}
