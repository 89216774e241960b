package sqlsink

import (
	"context"
	"database/sql"
	"math"
	"net/url"
	"time"

	"ferryman/internal/pipeline"
)

// dialects is what Open understands, by URL scheme. A database is added as one
// more file and its lines here.
var dialects = map[string]func(*url.URL) (dialect, *sql.DB, error){
	"postgres":   openPostgres,
	"postgresql": openPostgres,
	"mysql":      openMySQL,
	"mariadb":    openMySQL,
	"sqlite":     openSQLite,
	"sqlserver":  openMSSQL,
	"mssql":      openMSSQL,
}

// dialect is what one family of databases does in a way of its own.
type dialect interface {
	// String names the target for messages, without user or password.
	String() string
	// greet learns from the server what tableOptions, chunk and compile depend on.
	greet(ctx context.Context, q querier) error
	traits() traits

	quote(name string) string
	placeholder(n int) string // the n-th parameter of a statement, from 1
	limit(n int) string       // ends a SELECT that has an ORDER BY
	// list is the condition that a column holds one of the values, none of them nil,
	// with its arguments, which are the statement's first.
	list(c *column, values []any) (string, []any)

	// describe is the table as it stands; nil when there is none.
	describe(ctx context.Context, q querier, table string) (*description, error)
	// columnType is the type of a column that is made for what it needs to hold.
	columnType(n need) string
	// widen are the statements that make an existing column hold what it needs to,
	// beside all that it holds; none if that cannot be.
	widen(table string, e existing, n need) []string
	tableOptions() string // end of CREATE TABLE
	chunk() limits

	// compile prepares the statements that write to a table.
	compile(p *plan) upserter

	// diagnose tells what a driver's error means.
	diagnose(err error) diagnosis
	// grant is the statement that gives the right that was missing to "create",
	// "alter", "read" or "write to" a table; table may be "".
	grant(doing, table string) string
}

// traits are the constants of a dialect.
type traits struct {
	system       string // as OpenTelemetry calls it
	timeLayout   string // of a time as a parameter, in UTC
	maxName      int    // of a table or column, in bytes
	inCharacters bool   // maxName counts characters instead
	foldsNames   bool   // column names that differ only in case are one
	foldsTables  bool   // and so are names of tables
	begin        string // run first in every transaction; may be ""
	beginCareful string // run first in a careful one; may be ""
	savepoint    string
	rollbackTo   string
	release      string
	// moveSavepoint puts the savepoint behind what has been done since; empty is
	// savepoint itself.
	moveSavepoint string
	indexesRefs   bool   // makes an index for each foreign key by itself
	mergesKeys    bool   // its upserts merge rows whose keys a unique index takes for equal
	maxColumns    int    // of a table
	list          int    // values that a list takes at once; 0 is some hundreds
	addColumn     string // of ALTER TABLE
	addNext       string // before each further column of the statement; "" gives each its own
	mistakesNames bool   // takes the quoted name of a column that is missing for a text
	noReadOnly    bool   // has no transactions that only read
	definesAlone  bool   // commits each definition by itself
	lenient       string // has the server take definitions that it would not; may be ""
	strict        string // ends that
	warning       string // what a target's owner should know of its URL; may be ""

	// takesName tells whether a column may have a name that is clean and not too
	// long; nil is yes.
	takesName func(string) bool
}

// limits bound what is handed to an upserter at once. 0 is no limit.
type limits struct {
	rows     int
	bytes    int
	rowBytes int
}

// need is what a column has to hold.
type need struct {
	typ     pipeline.Type // of a column that is widened: Decimal for numbers alone, else Text
	bounded bool          // part of a key or of an index, or refers to a key
	keyed   bool          // of an existing unique index: only a text's length may change
	small   bool          // holds little for now, and is widened when it has to hold more
	foreign bool          // a text has characters that the column's character set lacks
	flags   bool          // the source has booleans for it, which 1 and 0 may stand for

	// Of a column that is widened: the most digits of a number before and after the
	// point, and the length of the longest text, in bytes and in UTF-16 units.
	whole, fraction int
	bytes, units    int
}

// upserter inserts rows, or updates those that are there and differ. An error of
// class refused leaves the rows to be tried in smaller parts after a rollback to a
// savepoint.
type upserter interface {
	upsert(ctx context.Context, tx *transaction, rows [][]any) (written, error)
}

// written counts the rows that an upserter wrote.
type written struct {
	inserted, updated int64
}

func (w *written) add(v written) {
	w.inserted += v.inserted
	w.updated += v.updated
}

func (w written) addTo(c *pipeline.TableCount) {
	c.Written += w.inserted + w.updated
	c.Inserted += w.inserted
	c.Updated += w.updated
}

// querier is a *sql.DB, *sql.Conn or *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// description is a table that is there already.
type description struct {
	columns []existing
	uniques []unique
	indexes [][]string // the columns of all whole indexes, unique ones too, in their order
	view    bool       // or something else that is no table
	plain   bool       // a table without anything that a bulk load might do in another way than an insert
}

// unbounded is the scale of a column that keeps any number of digits.
const unbounded = math.MaxInt

// existing is a column as the database has it.
type existing struct {
	name      string
	sqlType   string
	kind      kind
	inexact   bool // compares text by a collation, not by bytes
	maxLength int  // characters of text; 0 is unbounded
	maxBytes  int  // bytes of text; 0 is unbounded
	maxUnits  int  // UTF-16 code units of text; 0 is unbounded
	bits      int  // of an integer; 0 is not known
	unsigned  bool // has no negative integers
	charset   charset
	precision int    // digits of a decimal in all; 0 is unbounded
	scale     int    // digits after the point, of numbers and seconds; negative ones end before it
	flexible  bool   // SQLite: keeps a text that is no number, and numbers as int64 or float64
	mandatory bool   // NOT NULL without a default
	notNull   bool   // NOT NULL, with a default or without; only where widen repeats it
	padded    bool   // takes texts for equal that differ in trailing blanks
	filled    bool   // returns texts with blanks at the end up to its length, or without any
	prefix    string // what follows its name in an index that it is too long for as a whole
	collation string // of text; only where widen repeats it
	clauses   string // what follows the type in its definition; only where widen repeats it
	referring string // the type of a column that refers to this one; "" leaves the choice
	reading   string // what is selected in place of the column; "" is the column itself
}

// unique is an index that ON CONFLICT or its like can rely on.
type unique struct {
	columns []string
	primary bool
	inexact bool // compares by a collation that takes different keys for one
}

// kind is the sort of type that a column has in the database, which may differ
// from the type that a source has in mind.
type kind uint8

const (
	otherKind kind = iota // written as text, for the database to convert
	integerKind
	decimalKind
	floatKind  // of 32 bits
	doubleKind // of 64 bits
	textKind
	booleanKind
	timeKind
)

// class is what a driver's error means to the sink.
type class uint8

const (
	unknown         class = iota
	refused               // the data of a row
	contended             // the transaction lost against another: repeat it
	busy                  // locks, or the server's limits
	lost                  // the connection broke
	unreachable           // nobody answers
	unauthorized          // user or password
	databaseMissing       // or the folder of a file
	forbidden             // missing rights
	readOnly              // the server or file takes no writes
	mismatched            // tables or columns are not as needed
	exists                // somebody else made it first
	full                  // out of space
)

// diagnosis is a driver's error, understood.
type diagnosis struct {
	class  class
	hint   string // replaces the class's own; may be empty
	reason string // why a row was refused; empty is the error's own text
	alone  bool   // the row is refused whatever others the table holds
	relent bool   // of a definition: it may pass once traits.lenient was run

	tries int           // how often to try, where the class alone does not ask for it
	wait  time.Duration // before the next try; 0 is a short pause
}
