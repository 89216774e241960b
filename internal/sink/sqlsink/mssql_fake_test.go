package sqlsink

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ferryman/internal/sink/sqlsink/tdsfake"
)

// mssqlFake answers a sink as a SQL Server whose tables are empty would: it knows
// what was created, and nothing of what was written.
type mssqlFake struct {
	*tdsfake.Server
	script func(tdsfake.Request) (tdsfake.Reply, bool) // comes first; its false leaves the answer to the fake

	mu      sync.Mutex
	tables  map[string][]fakeColumn
	indexes map[string][][]string // their columns; the first is the key
	staged  int64                 // rows of the last copy
	bad     bool                  // for scripts
}

type fakeColumn struct {
	name, typ, arguments, collation string
	notNull                         bool
}

func fakeMSSQL(t *testing.T) *mssqlFake {
	t.Helper()
	f := &mssqlFake{tables: map[string][]fakeColumn{}, indexes: map[string][][]string{}}
	f.Server = tdsfake.Start(t, f.answer)
	return f
}

func (f *mssqlFake) url() string {
	return "sqlserver://user:password@" + f.Address() + "/warehouse"
}

func (f *mssqlFake) answer(r tdsfake.Request) tdsfake.Reply {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.script != nil {
		if reply, ok := f.script(r); ok {
			return reply
		}
	}
	text := tdsfake.NVarChar(0)
	switch words := strings.Fields(r.Text + " - -"); {
	case r.Kind == tdsfake.Copy:
		f.staged = int64(len(r.Rows))
	case strings.Contains(r.Text, "SERVERPROPERTY"):
		return tdsfake.Reply{Columns: []tdsfake.Column{{Type: text}}, Rows: [][]any{{"16.0.4135.4"}}}
	case r.Text == mssqlColumns:
		return f.describe(r.Params[0].Value.(string))
	case r.Text == mssqlIndexes:
		return f.describeIndexes(r.Params[0].Value.(string))
	case words[0] == "CREATE" && words[1] == "TABLE":
		f.create(r.Text)
	case words[0] == "ALTER":
		f.alter(createdAlter.FindStringSubmatch(r.Text))
	case words[0] == "CREATE" && words[1] == "INDEX":
		m := createdIndex.FindStringSubmatch(r.Text)
		f.indexes[m[1]] = append(f.indexes[m[1]], namesIn(m[2]))
	case strings.HasSuffix(r.Text, "["+mssqlStage+"] SET FMTONLY OFF"):
		return tdsfake.Reply{Columns: wireColumns(f.tables["["+mssqlStage+"]"])}
	case strings.HasPrefix(r.Text, "SELECT CASE WHEN EXISTS"):
		var reply tdsfake.Reply
		row := make([]any, strings.Count(r.Text, "EXISTS"))
		for i := range row {
			row[i] = int64(0)
			reply.Columns = append(reply.Columns, tdsfake.Column{Type: tdsfake.Int()})
		}
		reply.Rows = [][]any{row}
		return reply
	case words[0] == "SELECT": // of rows, and there are none
		from := strings.Index(r.Text, " FROM ")
		var reply tdsfake.Reply
		for range strings.Count(r.Text[:from], ",") + 1 {
			reply.Columns = append(reply.Columns, tdsfake.Column{Type: text})
		}
		return reply
	case strings.Contains(r.Text, "INSERT INTO") && strings.Contains(r.Text, mssqlStage):
		return tdsfake.Reply{Count: f.staged}
	case strings.HasPrefix(r.Text, "INSERT INTO"), strings.HasPrefix(r.Text, "UPDATE [ferryman_state]"):
		return tdsfake.Reply{Count: 1}
	}
	return tdsfake.Reply{}
}

var (
	createdTable  = regexp.MustCompile(`^CREATE TABLE (\S+) \((.*)\)$`)
	createdAlter  = regexp.MustCompile(`^ALTER TABLE (\S+) (?:ADD|ALTER COLUMN) (.*)$`)
	createdIndex  = regexp.MustCompile(`^CREATE INDEX \S+ ON (\S+) \((.*)\)$`)
	createdColumn = regexp.MustCompile(`^\[(.+)\] (\w+)(?:\(([^)]*)\))?(?: COLLATE (\w+))?( NOT NULL| NULL)?$`)
	between       = regexp.MustCompile(`, (?:\[|PRIMARY|FOREIGN)`)
)

// create notes the columns and the key of a table.
func (f *mssqlFake) create(statement string) {
	m := createdTable.FindStringSubmatch(statement)
	name, rest := m[1], m[2]
	if !strings.HasPrefix(name, "[") {
		name = "[" + name + "]"
	}
	f.tables[name], f.indexes[name] = nil, nil
	rest, key, _ := strings.Cut(rest, ", PRIMARY KEY (")
	if key != "" {
		key, _, _ = strings.Cut(key, ")")
		f.indexes[name] = [][]string{namesIn(key)}
	}
	f.tables[name] = columnsIn(rest)
}

func columnsIn(rest string) (columns []fakeColumn) {
	for rest != "" {
		part := rest
		if at := between.FindStringIndex(rest); at != nil {
			part, rest = rest[:at[0]], rest[at[0]+2:]
		} else {
			rest = ""
		}
		columns = append(columns, columnIn(part))
	}
	return columns
}

func columnIn(definition string) fakeColumn {
	c := createdColumn.FindStringSubmatch(definition)
	return fakeColumn{name: strings.ReplaceAll(c[1], "]]", "]"), typ: c[2], arguments: c[3], collation: c[4], notNull: c[5] == " NOT NULL"}
}

// alter adds columns, or makes one another.
func (f *mssqlFake) alter(m []string) {
	for _, c := range columnsIn(m[2]) {
		columns := f.tables[m[1]]
		if i := slices.IndexFunc(columns, func(have fakeColumn) bool { return have.name == c.name }); i >= 0 {
			columns[i] = c
			continue
		}
		f.tables[m[1]] = append(columns, c)
	}
}

func namesIn(list string) []string {
	var names []string
	for part := range strings.SplitSeq(list, ", ") {
		names = append(names, strings.Trim(part, "[]"))
	}
	return names
}

// sizes are length in bytes, precision and scale, as sys.columns has them.
func (c fakeColumn) sizes() (length, precision, scale int64) {
	first, second, _ := strings.Cut(c.arguments, ",")
	n, _ := strconv.ParseInt(first, 10, 64)
	m, _ := strconv.ParseInt(second, 10, 64)
	switch c.typ {
	case "bigint":
		return 8, 19, 0
	case "int":
		return 4, 10, 0
	case "decimal":
		return 17, n, m
	case "nvarchar":
		if c.arguments == "max" {
			return -1, 0, 0
		}
		return 2 * n, 0, 0
	case "varchar":
		return n, 0, 0
	case "datetime2":
		return 8, 27, n
	}
	return 1, 0, 0
}

func (f *mssqlFake) describe(table string) tdsfake.Reply {
	text, number, bit := tdsfake.NVarChar(128), tdsfake.Int(), tdsfake.Bit()
	var reply tdsfake.Reply
	for _, t := range []tdsfake.Type{text, text, number, number, number, text, number, bit, bit, bit} {
		reply.Columns = append(reply.Columns, tdsfake.Column{Type: t})
	}
	for _, c := range f.tables[table] {
		length, precision, scale := c.sizes()
		var collation, codePage any
		if strings.HasSuffix(c.typ, "varchar") || c.typ == "text" {
			collation, codePage = "SQL_Latin1_General_CP1_CI_AS", int64(1252)
			if c.collation != "" {
				collation = c.collation
			}
		}
		reply.Rows = append(reply.Rows, []any{c.name, c.typ, length, precision, scale, collation, codePage, !c.notNull, false, false})
	}
	return reply
}

func (f *mssqlFake) describeIndexes(table string) tdsfake.Reply {
	reply := tdsfake.Reply{Columns: []tdsfake.Column{{Type: tdsfake.Int()}, {Type: tdsfake.Bit()}, {Type: tdsfake.Bit()}, {Type: tdsfake.NVarChar(128)}}}
	for i, names := range f.indexes[table] {
		for _, name := range names {
			reply.Rows = append(reply.Rows, []any{int64(i + 1), i == 0, i == 0, name})
		}
	}
	return reply
}

// wireColumns are the columns of a table as they are sent.
func wireColumns(columns []fakeColumn) []tdsfake.Column {
	var wire []tdsfake.Column
	for _, c := range columns {
		first, second, _ := strings.Cut(c.arguments, ",")
		n, _ := strconv.Atoi(first)
		m, _ := strconv.Atoi(second)
		w := tdsfake.Column{Name: c.name}
		switch c.typ {
		case "bigint":
			w.Type = tdsfake.BigInt()
		case "int":
			w.Type = tdsfake.Int()
		case "bit":
			w.Type = tdsfake.Bit()
		case "float":
			w.Type = tdsfake.Float()
		case "decimal":
			w.Type = tdsfake.Decimal(byte(n), byte(m))
		case "datetime2":
			w.Type = tdsfake.DateTime2(byte(n))
		default:
			w.Type = tdsfake.NVarChar(n) // 0 of max
		}
		wire = append(wire, w)
	}
	return wire
}

// transcript is what was asked, a line each. The driver cancels an answer that it
// closes before it has seen the end, as it does with a copy's columns: whether it is
// in time is chance.
func transcript(requests []tdsfake.Request) string {
	var b strings.Builder
	for _, r := range requests {
		if r.Kind == tdsfake.Attention {
			continue
		}
		b.WriteString(string(r.Kind))
		if r.Reset {
			b.WriteString(" on a fresh session")
		}
		if r.Text != "" {
			b.WriteString(": " + strings.ReplaceAll(r.Text, "\n", "\n\t"))
		}
		for _, p := range r.Params {
			fmt.Fprintf(&b, "\n\t%s %s = %v", p.Name, p.Type, p.Value)
		}
		for _, c := range r.Columns {
			fmt.Fprintf(&b, "\n\t%s %s", c.Name, c.Type)
		}
		for _, row := range r.Rows {
			fmt.Fprintf(&b, "\n\t%v", row)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// asked are the requests whose text, or kind, begins so.
func asked(requests []tdsfake.Request, prefix string) int {
	n := 0
	for _, r := range requests {
		if strings.HasPrefix(r.Text, prefix) || string(r.Kind) == prefix {
			n++
		}
	}
	return n
}

// once has the first request that fits answered so, and the others as ever.
func (f *mssqlFake) once(fits func(tdsfake.Request) bool, reply tdsfake.Reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	done := false
	f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
		if done || !fits(r) {
			return tdsfake.Reply{}, false
		}
		done = true
		return reply, true
	}
}

// then does something when a request that fits has come, before it is answered.
func (f *mssqlFake) then(fits func(tdsfake.Request) bool, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	script := f.script
	f.script = func(r tdsfake.Request) (tdsfake.Reply, bool) {
		if fits(r) {
			do()
		}
		return script(r)
	}
}

func begins(prefix string) func(tdsfake.Request) bool {
	return func(r tdsfake.Request) bool { return strings.HasPrefix(r.Text, prefix) }
}

func kindIs(kinds ...tdsfake.Kind) func(tdsfake.Request) bool {
	return func(r tdsfake.Request) bool { return slices.Contains(kinds, r.Kind) }
}
