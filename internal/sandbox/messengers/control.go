package messengers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"ferryman/internal/sandbox/faults"
)

// control registers the control API. Its handlers return what to say.
func (s *Server) control() {
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"DELETE /_sandbox/arrivals":               func(*http.Request) (any, error) { s.Forget(); return faults.Note("nothing has arrived now"), nil },
		"GET /_sandbox/messengers/faults":         s.faults.Control,
		"POST /_sandbox/messengers/faults":        s.faults.Control,
		"DELETE /_sandbox/messengers/faults":      s.faults.Control,
		"DELETE /_sandbox/messengers/faults/{id}": s.faults.Control,
		"GET /_sandbox/messengers/limits":         func(*http.Request) (any, error) { return s.limitsNow(), nil },
		"PUT /_sandbox/messengers/limits":         s.putLimits,
	} {
		s.mux.HandleFunc(pattern, faults.Control(handle))
	}
	s.mux.HandleFunc("GET /_sandbox/arrivals", faults.Loopback(s.getArrivals))
	s.mux.HandleFunc("GET /_sandbox/messages", faults.Loopback(s.page))
}

func (s *Server) limitsNow() Limits {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return s.limits.limits
}

func (s *Server) putLimits(r *http.Request) (any, error) {
	var l Limits
	if err := faults.ReadJSON(r, &l); err != nil {
		return nil, err
	}
	return l, s.SetLimits(l)
}

// getArrivals lists what arrived, oldest first, or with count=1 counts it.
func (s *Server) getArrivals(w http.ResponseWriter, r *http.Request) {
	q, limit, err := query(r)
	if err != nil {
		faults.Say(w, nil, err)
		return
	}
	if r.FormValue("count") != "" {
		counts := s.Counts()
		if q.Messenger != "" {
			faults.Say(w, counts.Messengers[q.Messenger], nil)
			return
		}
		faults.Say(w, counts, nil)
		return
	}
	w.Header().Set("Content-Type", faults.ContentType)
	before := "[\n"
	for a := range s.Arrivals(q) {
		line, err := json.Marshal(a)
		if err == nil {
			_, err = io.WriteString(w, before+string(line))
		}
		if err != nil {
			return // the client is gone
		}
		before = ",\n"
		if limit--; limit == 0 {
			break
		}
	}
	if before == "[\n" {
		_, _ = io.WriteString(w, "[]\n")
		return
	}
	_, _ = io.WriteString(w, "\n]\n")
}

func query(r *http.Request) (q Query, limit int, err error) {
	q = Query{Messenger: Messenger(r.FormValue("messenger")), Recipient: r.FormValue("recipient")}
	if q.Messenger != "" && q.Messenger.index() < 0 {
		return q, 0, fmt.Errorf("messenger is %q, not one of %v", q.Messenger, all)
	}
	if after := r.FormValue("after"); after != "" {
		if q.After, err = strconv.ParseInt(after, 10, 64); err != nil || q.After < 0 {
			return q, 0, fmt.Errorf("after is %q, not the seq of an arrival", after)
		}
	}
	if text := r.FormValue("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return q, 0, fmt.Errorf("limit is %q, not a number of arrivals", text)
		}
	}
	if q.Recipient != "" && r.FormValue("count") != "" {
		return q, 0, errors.New("counts are by messenger, not by recipient")
	}
	return q, limit, nil
}
