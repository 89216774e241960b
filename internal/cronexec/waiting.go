package cronexec

import (
	"context"
	"time"
)

// Waiting is a report that could not be delivered so far.
type Waiting struct {
	Cron    string    // its slug or id
	EndedAt time.Time // UTC
	Success bool      // of the run
	URL     string    // of the server that it is for
	Started bool      // that server has answered the start of the run
	SameKey bool      // it was kept with the key that there is now
}

// List gives the reports that wait in the spool, the oldest first. Those of other users
// are not among them.
func List(o Options) []Waiting {
	var all []Waiting
	s := spool{o.SpoolDir}
	for _, name := range s.names() {
		p, err := s.read(name)
		if err != nil {
			continue
		}
		all = append(all, Waiting{p.Slug, p.EndedAt.UTC(), p.End.Success, p.URL, p.Execution != 0, p.Key == fingerprint(o.Key)})
	}
	return all
}

// Sent is what became of the reports that waited.
type Sent struct {
	Sent      int
	Discarded int
	Why       error // the last was discarded
	Others    int   // still wait for another key or server
}

// Send delivers what waits in the spool. With all, what was kept for another key or
// another address goes to this server, with this key: that is right if the key is of the
// same application, and the server has the same store. What it knows nothing of then goes
// on waiting. The error is what kept it from going on.
func Send(ctx context.Context, o Options, all bool) (Sent, error) {
	o.callTimeout = 5 * time.Second
	to, err := newServer(o)
	if err != nil {
		return Sent{}, err
	}
	defer to.close()
	f := spool{o.SpoolDir}.flush(ctx, to, fingerprint(o.Key), all)
	return Sent{f.sent, f.discarded, f.why, f.others}, f.stopped
}
