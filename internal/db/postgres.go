package db

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"ferryman/internal/fault"
)

// idleInTx is how long the server lets a transaction of ours stand still before it
// ends the session, and frees its locks: a node that hangs or is cut off must not hold
// up the others for longer than its leases do. Ours wait for nothing but the store
// between two statements, so only a machine that stands still takes as long. What
// reads or writes files meanwhile says so itself; see unhurried.
const idleInTx = 3 * time.Second

// A connection is renewed after renewed and up to renewedJitter more. With it goes
// what it has gathered: its statements, here and in the server, of which each connection
// comes to meet all; and what the pool itself allots for 128 uses at a time and keeps
// until the last of them, up to 300 kB, since the engine's queries are rare between ours.
const (
	renewed       = 15 * time.Minute
	renewedJitter = 3 * time.Minute
)

// idleSetting is what PostgreSQL calls it.
const idleSetting = "idle_in_transaction_session_timeout"

// unhurried is for transactions that wait for more than the store.
const unhurried = "set_config('" + idleSetting + "', '0', true)"

// oldestServer is the first major version that has idle_session_timeout, by which a
// node's lock is freed when nothing is heard of the node; and the oldest that River is
// tested with. Nothing else of ours asks for more.
const oldestServer = 14

func (d *DB) openPostgres(ctx context.Context, rawURL string) error {
	d.dialect = Postgres
	d.group.lanes = groupLanesPostgres
	cfg, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		// The parser's own message quotes the URL.
		return &fault.Error{
			Kind: fault.Unconfigured, Code: "store_url",
			Detail: "the store's URL is not a PostgreSQL URL",
			Hint:   "write postgres://user:password@host:5432/database and percent-encode special characters in the password",
		}
	}
	given := url.Values{}
	if u, err := url.Parse(rawURL); err == nil {
		given = u.Query()
	}
	if !given.Has("pool_max_conns") {
		cfg.MaxConns = 16
	}
	// The engine listens on one, and work must not wait for work.
	cfg.MaxConns = max(cfg.MaxConns, 4)
	if !given.Has("pool_max_conn_lifetime") {
		cfg.MaxConnLifetime = renewed
		if !given.Has("pool_max_conn_lifetime_jitter") {
			cfg.MaxConnLifetimeJitter = renewedJitter
		}
	}
	if !given.Has("connect_timeout") {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	// Connections of which the other side knows nothing any more: the pool looks at one
	// that was idle before it gives it away, and would wait for ever, also at Close; who
	// waits for an answer is told by the system.
	if !given.Has("pool_ping_timeout") {
		cfg.PingTimeout = time.Second
	}
	keep := net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}
	cfg.ConnConfig.DialFunc = (&net.Dialer{
		KeepAliveConfig: keep, Control: giveUpAfter(keep.Idle + time.Duration(keep.Count)*keep.Interval),
	}).DialContext
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "ferryman"
	}
	idle := cmp.Or(cfg.ConnConfig.RuntimeParams[idleSetting], strconv.FormatInt(idleInTx.Milliseconds(), 10))
	// A plan is kept, and one made while a table is small would go on reading all of
	// it. Where nothing else can be done that is planned for at a huge cost, which
	// must not have it compiled.
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := checkServer(conn.PgConn().ParameterStatus("server_version")); err != nil {
			return err
		}
		var far backend
		err := conn.QueryRow(ctx, "SELECT "+backendColumns+", set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false), set_config('"+idleSetting+"', $1, false)",
			idle).Scan(&far.pid, &far.begun, &far.server, nil, nil, nil)
		if err == nil {
			d.wires.connected(conn.PgConn(), far)
		}
		return err
	}
	d.wires = watchWires(cfg.ConnConfig.Copy(), d.log) //nolint:contextcheck // it lasts until Close
	cfg.ConnConfig.DialFunc = d.wires.dial
	if d.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		d.wires.close()
		return d.unreachable(rawURL, err)
	}
	d.wires.onLoss(d.pool.Reset) // a cut takes more than those that somebody waits for
	d.write = stdlib.OpenDBFromPool(d.pool)
	d.read = d.write
	if err := d.greet(ctx); err != nil {
		_ = d.Close()
		return d.unreachable(rawURL, err)
	}
	return nil
}

// greet finds out whether the server answers, and what time it is there: who only reads
// goes by that, too. A first answer that was slow is asked for once more.
func (d *DB) greet(ctx context.Context) error {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	for range 2 {
		if err := d.shared.measure(ctx, conn.Conn()); err != nil {
			return err
		}
	}
	return nil
}

// checkServer refuses servers that are too old, by the version that each tells as it is
// connected to, such as 15.18 (Debian 15.18-0+deb12u1): that costs no question, and comes
// before any that an older one does not understand. A pooler that tells none, or one that
// is no number, is let pass.
func checkServer(version string) error {
	number := version
	if end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		number = version[:end]
	}
	major, err := strconv.Atoi(number)
	if err != nil || major >= oldestServer {
		return nil //nolint:nilerr // see above
	}
	version, _, _ = strings.Cut(version, " ")
	return &fault.Error{
		Kind: fault.Unconfigured, Code: "store_version",
		Detail: fmt.Sprintf("the store's PostgreSQL is of version %s, and Ferryman needs %d at least", version, oldestServer),
		Hint:   fmt.Sprintf("upgrade the server of FERRYMAN_STORE_URL to PostgreSQL %d or later", oldestServer),
	}
}

func (d *DB) unreachable(rawURL string, err error) error {
	if known, ok := errors.AsType[*fault.Error](err); ok {
		return known
	}
	f := &fault.Error{
		Kind: fault.Unavailable, Code: "store_unavailable",
		Detail: "cannot reach the store " + redacted(rawURL),
		Hint:   "check that PostgreSQL runs there and that FERRYMAN_STORE_URL names the right host and port",
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		f.Err = fault.OneLine(err) // pgx names host, user and database, never the password
		return f
	}
	f.Err = errors.New(pg.Message)
	switch pg.Code {
	case "28P01", "28000":
		f.Kind, f.Code, f.Hint = fault.Unconfigured, "store_auth", "check user and password in FERRYMAN_STORE_URL"
	case "3D000":
		f.Kind, f.Code, f.Hint = fault.Unconfigured, "store_missing", "create the database first: CREATE DATABASE …"
	}
	return f
}

// classify says whether an error of a statement may go away by itself. Errors
// of either database that are not recognised stay as they are and count as
// internal.
func (d *DB) classify(err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) || d.dialect == Postgres && broken(err) {
		return unavailable(err)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case pg.Code == "42501":
			return &fault.Error{
				Kind: fault.Unconfigured, Code: "store_rights", Detail: "the store refuses: " + pg.Message, Err: err,
				Hint: "give the user of FERRYMAN_STORE_URL the rights to create and change tables in its schema, " +
					"or run ferryman migrate as their owner and let this user read and write them",
			}
		case pg.Code[:2] == "40":
			return &fault.Error{Kind: fault.Unavailable, Code: codeConflict, Detail: "the store has called off a transaction that another one stood against", Err: err}
		// 25P03: it stood still for too long; see idleInTx.
		case pg.Code == "25P03", pg.Code[:2] == "08", pg.Code[:2] == "53", pg.Code[:2] == "57":
			return unavailable(err)
		}
		return err
	}
	return d.classifySQLite(err)
}

// broken tells whether a connection has ended in the midst of something.
func broken(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errLost)
}

// unavailable keeps the driver's words, which name host and user, for the log.
func unavailable(err error) error {
	return &fault.Error{
		Kind: fault.Unavailable, Code: "store_unavailable", Detail: "the store does not answer", Err: fault.OneLine(err),
	}
}
