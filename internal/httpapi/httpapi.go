// Package httpapi is Ferryman's HTTP interface: the calls that api/openapi.yaml
// describes, the pages beside them, and the server they run in.
//
// A handler returns what to say, or an error; one place writes it, so that every
// answer has its request id, its headers, its line in the access log and its
// place in the metrics. Errors are problem+json (RFC 9457), under /messages
// {"detail": …} as clients of that API know them, with a status that one table
// gives for each fault.Kind; what an unclassified error says goes to
// the log and not to the client. Bodies, lists, time and the number of callers
// that wait are bounded.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"ferryman/internal/audit"
	"ferryman/internal/forwarded"
	"ferryman/internal/ledger"
	"ferryman/internal/outbox"
	"ferryman/internal/pipeline"
	"ferryman/internal/push"
	"ferryman/internal/ratelimit"
	"ferryman/internal/rejected"
	"ferryman/internal/syncs"
)

// WarehouseSync runs the warehouse sync.
type WarehouseSync interface {
	// Call runs one sync and gives it once it has ended, also when it failed. An
	// error means that it could not be run or awaited. When ctx ends, Call gives up
	// waiting and the sync goes on.
	Call(ctx context.Context) (syncs.Run, error)
	// Cast starts one sync and does not wait for it.
	Cast(ctx context.Context) error
	// Last gives the newest n runs that have ended, oldest first.
	Last(ctx context.Context, n int) ([]syncs.Run, error)
}

// Syncs is all syncs that the server runs.
type Syncs interface {
	// Cast starts one run of the sync with the given slug and does not wait for it. It
	// gives syncs.ErrUnknown.
	Cast(ctx context.Context, slug string) error
	// Last gives the newest n runs that have ended, oldest first.
	Last(ctx context.Context, n int) ([]syncs.Run, error)
}

// RowReader reads a table that a sync fills. A row holds the values of Columns,
// then those of Stamps.
type RowReader interface {
	// List gives at most limit rows in order of the key, from the first key after
	// the given one, or from the beginning when it is nil.
	List(ctx context.Context, table *pipeline.Table, after any, limit int) ([][]any, error)
	// Get gives the row with the key, or a fault of kind NotFound.
	Get(ctx context.Context, table *pipeline.Table, key any) ([]any, error)
}

// Options are what a Server needs. All of it is required unless it says otherwise.
type Options struct {
	Log      *slog.Logger
	Registry *prometheus.Registry // gathered at /metrics; New registers its own metrics there
	Version  string               // of the build
	Tracer   trace.Tracer         // is told of calls; nil: nothing is traced

	Sync       WarehouseSync
	Syncs      Syncs
	Rows       RowReader
	Users      *pipeline.Table // with a key of one integer column, like Warehouses
	Warehouses *pipeline.Table

	Checks []Check // what /readyz asks; may be empty

	Keys      Authenticator
	Apps      Applications
	Ledger    *ledger.Ledger
	Rejected  *rejected.Log // keeps reports of applications that were refused; may be nil
	Messages  *push.Messages
	Outbox    *outbox.Outbox
	Audit     *audit.Log    // is told what the administration has done; may be nil
	Dashboard http.Handler  // answers below /ui/, and asks by itself who may see what
	KeyRate   int           // calls a second that one key may make, and twice as many at once; 0: no limit
	CallTime  time.Duration // that a report of an application may take; 4 s if 0
	AdminTime time.Duration // that a call of the administration may take, and each part of an export; 30 s if 0

	// KeysOnly says that the network reaches the server and holders of keys alone
	// may use it: see byOperators.
	KeysOnly bool

	// LoopbackOnly says that the server listens on loopback. It then answers only
	// to names of loopback in the Host header, and to Hosts, so that no web page can
	// reach it by a name that it points at loopback.
	LoopbackOnly bool

	// Hosts are the names or addresses, in lower case and without port, under which
	// a proxy makes the server known; may be empty. Pages at http:// and https://
	// these names, at the default ports, may make calls even if the proxy changes
	// the Host header. A page at any other port is of another origin: its proxy must
	// pass the Host header on, port included.
	Hosts []string

	// Proxies are the peers whose word on who calls is taken; may be empty. On loopback a
	// call that they pass on from elsewhere needs a key, as it does beyond.
	Proxies forwarded.Proxies

	MaxBody int64            // bytes of a request's body; 1 MiB if 0
	Now     func() time.Time // time.Now if nil
}

const (
	defaultMaxBody = 1 << 20
	maxCallers     = 100 // that wait for a sync at the same time
	// Callers wait a little longer than this, so that they hear what went wrong.
	defaultCallTime  = 4 * time.Second
	defaultAdminTime = 30 * time.Second
)

// Server is the HTTP interface as an http.Handler. It is safe for concurrent use.
type Server struct {
	o       Options
	mux     *http.ServeMux
	routes  []route
	metrics metrics
	origin  *http.CrossOriginProtection
	docs    docs
	pages   pages
	callers chan struct{} // one token for each caller that waits for a sync
	large   chan struct{} // one token for each large body in memory
	bulk    atomic.Int64  // bytes of the large lists of messages in memory
	posting chan struct{} // one token for each large list that is being stored
	slips   rate.Sometimes
	reports reports
	unready unready

	keyRate   *ratelimit.Limiter[int64]        // by the key's id
	wrongKeys *ratelimit.Limiter[netip.Prefix] // by the caller's network
}

// New builds the server's handler. It fails on missing options, on Hosts that are
// none, and on a registry that already holds its metrics.
func New(o Options) (*Server, error) {
	d, err := loadDocs()
	if err != nil {
		return nil, err
	}
	return newServer(o, d)
}

func newServer(o Options, d docs) (*Server, error) {
	if o.Log == nil || o.Registry == nil || o.Sync == nil || o.Rows == nil || o.Users == nil || o.Warehouses == nil ||
		o.Keys == nil || o.Apps == nil || o.Ledger == nil || o.Messages == nil || o.Outbox == nil {
		return nil, errors.New("an option of the http interface is missing")
	}
	o.MaxBody = or(o.MaxBody, defaultMaxBody)
	o.CallTime, o.AdminTime = or(o.CallTime, defaultCallTime), or(o.AdminTime, defaultAdminTime)
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		o: o, docs: d, mux: http.NewServeMux(), callers: make(chan struct{}, maxCallers), large: make(chan struct{}, maxLarge),
		posting: make(chan struct{}, maxPosting), slips: rate.Sometimes{First: 10, Interval: time.Minute},
		keyRate: ratelimit.New[int64](o.KeyRate, 2*o.KeyRate), wrongKeys: ratelimit.New[netip.Prefix](wrongKeyRate, wrongKeyBurst),
	}
	var err error
	if s.origin, err = originGuard(o.Hosts); err != nil {
		return nil, err
	}
	if s.pages, err = loadPages(); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(o.Registry, o.Version); err != nil {
		return nil, err
	}
	s.routes = s.table()
	for _, r := range s.routes {
		s.mux.Handle(r.method+" "+r.pattern, s.dispatch(r))
	}
	if o.Dashboard != nil {
		s.mux.HandleFunc(dashboardRoot, s.pass)
	}
	s.handleAliases()
	s.mux.Handle("/", s.dispatch(route{pattern: unmatched, answer: s.noRoute, access: byAll()}))
	s.reports = s.reportCalls()
	s.routes = append(s.routes, s.reports.all...)
	return s, nil
}
