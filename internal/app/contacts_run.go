package app

import (
	"context"
	"slices"
	"time"

	"ferryman/internal/config"
	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
	"ferryman/internal/pipeline"
	"ferryman/internal/sink/outboxsink"
	"ferryman/internal/sink/sqlsink"
	"ferryman/internal/syncs"
)

// ContactsRun is what a command asks of a campaign. Each function may be nil.
type ContactsRun struct {
	Campaign config.Campaign
	Resume   time.Time // where the original client stopped; used where there is no cursor yet

	DryRun bool // tell what would be done
	Verify bool // compare everything, wherever the cursor stands; without Repair nothing is written
	Rows   bool // with Verify: value by value, also where the MD5 is the same
	Repair bool // with Verify: write what differs

	Observe func(ContactsProgress) // a few times a second, and at the end
	Waiting func()                 // another run is under way

	Different func(table, key, kind string, columns []string) // with DryRun or Verify without Repair: each row that differs

	follows bool   // cycle after cycle
	beside  *db.DB // the store of the server that asks; nil: it is opened
}

// ContactsProgress is how far a run is.
type ContactsProgress struct {
	Phase   string // what is being read
	Pages   int64  // of lists
	Listed  int64  // contacts
	Skipped int64  // of those listed, the same as in the target
	Fetched int64  // contacts
	Calls   int64  // inbound
	Retries int64
	Bytes   int64         // of answers
	Total   int64         // contacts to be listed; 0: not known
	Behind  time.Duration // since the events that are covered; 0: not known
	Report  pipeline.Report
	Sent    int64 // by the webhook since this process began
	Backlog int64 // waits for the webhook
	Dead    int64 // failed for good at the webhook
	Refused int64 // attempts of this process that the webhook did not take
	// Refusal is why the last of these was not taken, Paused why nothing is sent until a
	// person acts; on one line each.
	Refusal, Paused string

	Undecided int64 // with Verify: contacts and calls of which it cannot be told whether they have gone
}

// SyncContacts runs one sync of a campaign in this process, beside a server or
// without one, and gives the run also when it failed. A batch that is on its way
// into the target when ctx ends is finished first. One that posts also sends what
// it found, until nothing waits; it gives a temporary fault with the code
// webhook_paused or webhook_stalled where that cannot be waited for.
func SyncContacts(ctx context.Context, o Options, r ContactsRun) (syncs.Run, error) {
	c, err := startContacts(ctx, o, r)
	if err != nil {
		return syncs.Run{}, err
	}
	defer c.close()
	return c.whole(c.o.below(ctx))
}

// FollowContacts runs cycle after cycle of a campaign until ctx ends or each gives
// an error, and tells each of every one, also of those that failed. In mode webhook
// it sends all the while. Modes that end are run once.
func FollowContacts(ctx context.Context, o Options, r ContactsRun, each func(syncs.Run) error) error {
	r.follows = r.Campaign.Repeats()
	c, err := startContacts(ctx, o, r)
	if err != nil {
		return err
	}
	defer c.close()
	return c.follow(ctx, c.run, each)
}

// contactsProcess is a campaign that a command runs.
type contactsProcess struct {
	o       Options
	r       ContactsRun
	db      *db.DB
	ledger  *ledger.Ledger
	outbox  *outbox.Outbox
	contact *contactSync
	syncer  *syncs.Syncer // nil for a run that changes nothing, and so is none in the ledger
	watcher *watcher      // nil until everything is there to be watched

	begun       time.Time  // by the store's clock
	sent        chan error // of the outbox, once it sends no more
	stopSending func()     // nil while another process sends
	refusals    refusals
	endTraces   func() error
}

func startContacts(ctx context.Context, o Options, r ContactsRun) (_ *contactsProcess, err error) {
	looks := r.DryRun || r.Verify && !r.Repair
	if posts(r.Campaign) && (r.DryRun || r.Verify) {
		return nil, &fault.Error{
			Kind: fault.Unconfigured, Code: "webhook_mode", Detail: "what is posted to a web service cannot be compared with what is there",
			Hint: "a dry run and a verification need a database as the target",
		}
	}
	node := nodeName()
	o, endTraces, err := o.traced(ctx, node)
	if err != nil {
		return nil, err
	}
	c := &contactsProcess{o: o, r: r, sent: make(chan error, 1), endTraces: endTraces}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if !looks {
		if c.db = r.beside; c.db == nil {
			if c.db, _, err = OpenStore(ctx, o); err != nil {
				return nil, err
			}
		}
		c.begun, c.ledger = c.db.Now(), ledger.New(c.db)
		send := o.Config.Outbox
		c.outbox = outbox.New(c.db, outbox.Options{Node: node, Logger: o.Log, Hold: send.Hold, Keep: send.Keep, Observe: c.refusals.observe, Tracer: o.tracer})
	}
	options := contactOptions{resume: r.Resume, full: r.Verify, distrust: r.Rows, dry: looks}
	if r.Different != nil {
		options.difference = func(d sqlsink.Difference) { r.Different(d.Table, d.Key, d.Kind, d.Columns) }
	}
	if c.contact, err = openContacts(o, c.db, c.outbox, r.Campaign, options); err != nil {
		return nil, err
	}
	if looks {
		c.watcher, err = c.watch(ctx)
		return c, err
	}
	c.contact.sink = finishing{c.contact.sink}
	set := syncs.NewSet(c.db, c.ledger, nil, syncs.Options{Logger: o.Log, Tracer: o.tracer})
	sync := c.contact.sync()
	if sync.Manual, err = c.unexpected(ctx, sync.Slug); err != nil {
		return nil, err
	}
	if c.syncer, err = set.Add(ctx, sync); err != nil {
		return nil, err
	}
	if err := c.send(ctx); err != nil {
		return nil, err
	}
	c.watcher, err = c.watch(ctx)
	return c, err
}

// unexpected tells whether nobody waits for the runs of a cron: those of a command that
// ends are not missed afterwards, unless a server has made the cron.
func (c *contactsProcess) unexpected(ctx context.Context, slug string) (bool, error) {
	if c.r.follows {
		return false, nil
	}
	all, err := c.ledger.Crons(ctx, ledger.CronFilter{Kind: ledger.Sync, Search: slug, Limit: 100})
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(all, func(cron ledger.CronStatus) bool { return cron.Slug == slug && cron.Schedule != "" }), nil
}

func (c *contactsProcess) close() {
	if c.stopSending != nil {
		c.stopSending()
	}
	if c.watcher != nil {
		c.watcher.end()
	}
	if c.contact != nil {
		_ = c.contact.close() // everything is durable by now
	}
	if c.db != nil && c.r.beside == nil {
		_ = c.db.Close()
	}
	_ = c.endTraces()
}

// run does one cycle.
func (c *contactsProcess) run(ctx context.Context) (syncs.Run, error) {
	c.watcher.landed(pipeline.Report{})
	if c.syncer != nil {
		return c.syncer.RunNow(ctx, nodeName(), c.r.Waiting, c.watcher.landed)
	}
	began := time.Now().UTC()
	report, err := pipeline.Run(ctx, c.contact.source, c.contact.sink, c.watcher.landed)
	run := syncs.Run{Sync: c.contact.sync().Slug, Trigger: string(ledger.CLI), StartedAt: began, EndedAt: time.Now().UTC(), Report: report}
	if err != nil {
		run.Reason, run.Detail = fault.CodeOf(err), err.Error()
	}
	return run, nil
}

// whole does one cycle and sends what it has found. Where too much has waited there is
// more to be read once that is sent.
func (c *contactsProcess) whole(ctx context.Context) (syncs.Run, error) {
	for {
		run, err := c.run(ctx)
		full := run.Reason == outboxsink.Backlog
		if err != nil || !c.posts() || !run.OK() && !full {
			return run, err
		}
		if err := c.drain(ctx); err != nil || !full {
			return run, err
		}
	}
}

// follow does cycle after cycle. One that the store lets not begin or end is no end.
func (c *contactsProcess) follow(ctx context.Context, cycle func(context.Context) (syncs.Run, error), each func(syncs.Run) error) error {
	tidied := time.Time{}
	for {
		began := time.Now()
		if err := c.send(ctx); err != nil {
			return err
		}
		run, err := cycle(ctx)
		switch {
		case err != nil && fault.Temporary(err) && ctx.Err() == nil && c.r.Campaign.Repeats():
			c.o.Log.Warn("a cycle could not be begun, or its end not noted; there will be another", "campaign", c.r.Campaign.Name, "err", err)
		case err != nil:
			return err
		default:
			c.watcher.tell(0)
			if err := each(run); err != nil || !c.r.Campaign.Repeats() {
				return err
			}
		}
		if began.Sub(tidied) > time.Hour {
			c.tidy(ctx)
			tidied = began
		}
		select {
		case <-time.After(time.Until(began.Add(c.r.Campaign.Every))):
		case err := <-c.sent:
			return err // whoever sends nothing would keep quiet about it
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tidy prunes what a server's housekeeping would. What fails comes again.
func (c *contactsProcess) tidy(ctx context.Context) {
	for _, prune := range []func(context.Context) (int64, error){c.ledger.Prune, c.outbox.Prune} {
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		_, _ = prune(limited)
		cancel()
	}
}

// finishing writes a batch to its end, also when the run is called off meanwhile.
type finishing struct{ pipeline.Sink }

// toFinish is how long a batch may still take once the run is called off.
const toFinish = 20 * time.Second

// Write implements pipeline.Sink.
func (f finishing) Write(ctx context.Context, b pipeline.Batch) (pipeline.Landed, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	writing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(toFinish, cancel) })
	defer stop()
	return f.Sink.Write(writing, b)
}
