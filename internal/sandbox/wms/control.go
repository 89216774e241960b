package wms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"ferryman/internal/sandbox/faults"
)

const elsewhere = "/_sandbox/elsewhere"

// control registers the control API. Its handlers return what to say.
func (s *Server) control() {
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"GET /_sandbox/state":                 s.getState,
		"GET " + elsewhere:                    func(*http.Request) (any, error) { return faults.Note("redirects lead here"), nil },
		"PUT /_sandbox/load":                  s.putLoad,
		"PUT /_sandbox/warehouses/{id}":       s.putWarehouse,
		"PATCH /_sandbox/warehouses/{id}":     s.patchWarehouse,
		"DELETE /_sandbox/warehouses/{id}":    s.deleteWarehouse,
		"PATCH /_sandbox/users/{id}":          s.patchUser,
		"PUT /_sandbox/users/{id}/warehouses": s.putLinks,
		"GET /_sandbox/faults":                s.faults.Control,
		"POST /_sandbox/faults":               s.faults.Control,
		"DELETE /_sandbox/faults":             s.faults.Control,
		"DELETE /_sandbox/faults/{id}":        s.faults.Control,
		"POST /_sandbox/tokens/expire": func(*http.Request) (any, error) {
			s.ExpireTokens()
			return faults.Note("all tokens are invalid now"), nil
		},
		"POST /_sandbox/holds":   s.postHold,
		"DELETE /_sandbox/holds": s.deleteHold,
		"GET /_sandbox/held":     s.getHeld,
	} {
		s.mux.HandleFunc(pattern, faults.Control(handle))
	}
}

// state is what GET /_sandbox/state tells. It holds no token and no password.
type state struct {
	Requests     map[string]int   `json:"requests"`
	TokensIssued int              `json:"tokens_issued"`
	TokensLive   int              `json:"tokens_live"`
	Faults       []Fault          `json:"faults"`
	Users        []map[string]any `json:"users"` // with the ids of their warehouses
	Warehouses   []map[string]any `json:"warehouses"`
}

func (s *Server) getState(*http.Request) (any, error) {
	st := state{Faults: s.faults.All()}
	st.TokensIssued, st.TokensLive = s.tokens.counts()
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Requests = maps.Clone(s.requests)
	for _, id := range slices.Sorted(maps.Keys(s.data.users)) {
		u := s.data.users[id]
		fields := maps.Clone(u.fields)
		fields["warehouses"] = append([]int64{}, u.warehouses...)
		st.Users = append(st.Users, fields)
	}
	st.Warehouses = make([]map[string]any, 0, len(s.data.warehouses))
	for _, id := range slices.Sorted(maps.Keys(s.data.warehouses)) {
		st.Warehouses = append(st.Warehouses, maps.Clone(s.data.warehouses[id]))
	}
	return st, nil
}

// SetWarehouses gives the first user exactly n warehouses: those there are stay,
// more are made up, or the last are deleted.
func (s *Server) SetWarehouses(n int) error {
	if n < 0 || n > maxWarehouses {
		return fmt.Errorf("warehouses is %d, not between 0 and %d", n, maxWarehouses)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data.generate(n)
	return nil
}

func (s *Server) putLoad(r *http.Request) (any, error) {
	var ask struct {
		Warehouses *int `json:"warehouses"`
	}
	if err := faults.ReadJSON(r, &ask); err != nil {
		return nil, err
	}
	if ask.Warehouses == nil {
		return nil, errors.New("warehouses is missing: the number that the first user is to have")
	}
	return map[string]int{"warehouses": *ask.Warehouses}, s.SetWarehouses(*ask.Warehouses)
}

// idAndFields reads what most calls about data bring.
func idAndFields(r *http.Request) (int64, map[string]any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("the id %q is not a whole number", r.PathValue("id"))
	}
	var fields map[string]any
	if err := faults.ReadJSON(r, &fields); err != nil {
		return 0, nil, err
	}
	return id, fields, nil
}

func (s *Server) putWarehouse(r *http.Request) (any, error) {
	id, fields, err := idAndFields(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.data.warehouses[id]; !there {
		if len(s.data.warehouses) >= 2*maxWarehouses {
			return nil, fmt.Errorf("more than %d warehouses", 2*maxWarehouses)
		}
		u := s.data.users[firstUser]
		u.warehouses = append(u.warehouses, id)
	}
	w := makeWarehouse(0, id)
	maps.Copy(w, fields)
	s.data.warehouses[id] = w
	return maps.Clone(w), nil
}

func (s *Server) patchWarehouse(r *http.Request) (any, error) {
	id, fields, err := idAndFields(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w, found := s.data.warehouses[id]
	if !found {
		return nil, faults.ErrUnknown
	}
	maps.Copy(w, fields)
	return maps.Clone(w), nil
}

func (s *Server) deleteWarehouse(r *http.Request) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || !s.data.remove(id) {
		return nil, faults.ErrUnknown
	}
	return faults.Note("the warehouse is gone, and every user's hold on it"), nil
}

func (s *Server) patchUser(r *http.Request) (any, error) {
	id, fields, err := idAndFields(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, found := s.data.users[id]
	if !found {
		return nil, faults.ErrUnknown
	}
	maps.Copy(u.fields, fields)
	return maps.Clone(u.fields), nil
}

func (s *Server) putLinks(r *http.Request) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, faults.ErrUnknown
	}
	var links []int64
	if err := faults.ReadJSON(r, &links); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, found := s.data.users[id]
	if !found {
		return nil, faults.ErrUnknown
	}
	for _, link := range links {
		if _, found := s.data.warehouses[link]; !found {
			return nil, fmt.Errorf("there is no warehouse %d", link)
		}
	}
	u.warehouses = links
	return links, nil
}

func (s *Server) postHold(r *http.Request) (any, error) {
	var ask struct {
		Path string `json:"path"`
	}
	if err := faults.ReadJSON(r, &ask); err != nil {
		return nil, err
	}
	if _, err := s.Hold(ask.Path); err != nil {
		return nil, err
	}
	return faults.Note("requests to the path wait now"), nil
}

func (s *Server) deleteHold(r *http.Request) (any, error) {
	s.Release(r.FormValue("path"))
	return faults.Note("requests to the path go on"), nil
}

const maxWait = time.Hour

// getHeld waits until count requests (1) are held at the path, for at most wait (10s).
func (s *Server) getHeld(r *http.Request) (any, error) {
	count, wait := 1, 10*time.Second
	var err error
	if v := r.FormValue("count"); v != "" {
		if count, err = strconv.Atoi(v); err != nil {
			return nil, fmt.Errorf("count is %q, not a whole number", v)
		}
	}
	if v := r.FormValue("wait"); v != "" {
		if wait, err = time.ParseDuration(v); err != nil || wait > maxWait {
			return nil, fmt.Errorf("wait is %q, not a duration up to %v", v, maxWait)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	if err := s.AwaitHeld(ctx, r.FormValue("path"), count); err != nil {
		return nil, err
	}
	held, _ := s.holds.count(r.FormValue("path"))
	return map[string]int{"held": held}, nil
}
