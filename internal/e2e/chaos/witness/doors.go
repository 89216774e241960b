package witness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// patience is how long a caller waits for an answer.
	patience = 2 * time.Second
	// avoided is how long a door stays unused that gave no answer, as a load balancer
	// would have it.
	avoided = time.Second
	// largest is the size that an answer may have, in bytes.
	largest = 1 << 20
)

// Doors are the addresses of the nodes. Callers take any, for they do not know which
// node is well.
type Doors struct {
	client *http.Client

	mu    sync.Mutex
	names []string
	urls  map[string]string
	shun  map[string]time.Time
	turn  int
}

// NewDoors makes doors to no node yet.
func NewDoors() *Doors {
	return &Doors{
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
		urls:   map[string]string{}, shun: map[string]time.Time{},
	}
}

// Open tells at which address a node can be reached from now on.
func (d *Doors) Open(name, url string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.urls[name]; !known {
		d.names = append(d.names, name)
		slices.Sort(d.names)
	}
	d.urls[name] = url
	delete(d.shun, name)
}

// Close ends the connections that nobody uses.
func (d *Doors) Close() { d.client.CloseIdleConnections() }

// pick takes the next door in turn, one that is not avoided if there is any.
func (d *Doors) pick() (name, url string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range d.names {
		d.turn++
		name = d.names[d.turn%len(d.names)]
		if time.Since(d.shun[name]) > avoided {
			break
		}
	}
	return name, d.urls[name]
}

func (d *Doors) avoid(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shun[name] = time.Now()
}

// post makes a call at some door and decodes its answer, of whatever status. It fails
// without one.
func (d *Doors) post(ctx context.Context, path, key string, body, answer any) (status int, err error) {
	name, url := d.pick()
	if name == "" {
		return 0, fmt.Errorf("%s: there is no door", path)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("X-API-KEY", key)
	}
	res, err := d.client.Do(req)
	if err != nil {
		d.avoid(name)
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	got, err := io.ReadAll(io.LimitReader(res.Body, largest))
	if err != nil {
		d.avoid(name)
		return 0, err
	}
	if res.StatusCode >= http.StatusInternalServerError {
		d.avoid(name)
	}
	if res.StatusCode/100 != 2 {
		return res.StatusCode, nil
	}
	if err := json.Unmarshal(got, answer); err != nil {
		return 0, fmt.Errorf("%s: %d: %w", path, res.StatusCode, err)
	}
	return res.StatusCode, nil
}

// every calls do in steady steps until ctx ends; a step that takes longer delays the next.
func every(ctx context.Context, step time.Duration, do func()) {
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}
