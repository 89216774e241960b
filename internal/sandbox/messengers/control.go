package messengers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// control registers the control API. Its handlers return what to say.
func (s *Server) control() {
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"DELETE /_sandbox/arrivals":               func(*http.Request) (any, error) { s.Forget(); return note("nothing has arrived now"), nil },
		"GET /_sandbox/messengers/faults":         func(*http.Request) (any, error) { return s.Faults(), nil },
		"POST /_sandbox/messengers/faults":        s.postFault,
		"DELETE /_sandbox/messengers/faults":      func(*http.Request) (any, error) { return map[string]int{"deleted": s.ClearFaults(0)}, nil },
		"DELETE /_sandbox/messengers/faults/{id}": s.deleteFault,
		"GET /_sandbox/messengers/limits":         func(*http.Request) (any, error) { return s.limitsNow(), nil },
		"PUT /_sandbox/messengers/limits":         s.putLimits,
	} {
		s.mux.HandleFunc(pattern, guarded(func(w http.ResponseWriter, r *http.Request) {
			v, err := handle(r)
			switch {
			case errors.Is(err, errUnknown):
				writeJSON(w, http.StatusNotFound, note(err.Error()))
			case err != nil:
				writeJSON(w, http.StatusBadRequest, note(err.Error()))
			default:
				writeJSON(w, http.StatusOK, v)
			}
		}))
	}
	s.mux.HandleFunc("GET /_sandbox/arrivals", guarded(s.getArrivals))
	s.mux.HandleFunc("GET /_sandbox/messages", guarded(s.page))
}

// guarded keeps a call to this machine.
func guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || !ip.IsLoopback() {
			writeJSON(w, http.StatusForbidden, note("the control API answers on loopback only"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next(w, r)
	}
}

var errUnknown = errors.New("nothing has this id")

func note(message string) any { return map[string]string{"message": message} }

func (s *Server) postFault(r *http.Request) (any, error) {
	var f Fault
	if err := readJSON(r, &f); err != nil {
		return nil, err
	}
	id, err := s.Inject(f)
	return map[string]int{"id": id}, err
}

func (s *Server) deleteFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id < 1 || s.ClearFaults(id) == 0 {
		return nil, errUnknown
	}
	return map[string]int{"deleted": 1}, nil
}

func (s *Server) limitsNow() Limits {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return s.limits.limits
}

func (s *Server) putLimits(r *http.Request) (any, error) {
	var l Limits
	if err := readJSON(r, &l); err != nil {
		return nil, err
	}
	return l, s.SetLimits(l)
}

// getArrivals lists what arrived, oldest first, or with count=1 counts it.
func (s *Server) getArrivals(w http.ResponseWriter, r *http.Request) {
	q, limit, err := query(r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, note(err.Error()))
		return
	}
	if r.FormValue("count") != "" {
		counts := s.Counts()
		if q.Messenger != "" {
			writeJSON(w, http.StatusOK, counts.Messengers[q.Messenger])
			return
		}
		writeJSON(w, http.StatusOK, counts)
		return
	}
	w.Header().Set("Content-Type", contentType)
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

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeText(w, status, text)
}
