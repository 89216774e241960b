package sqlsink

import (
	"context"
	"database/sql"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// addIndexes makes the indexes that an existing table lacks, and tells whether it
// did. Writes go on without one that can't be made, if slower.
func (s *Sink) addIndexes(ctx context.Context, conn *sql.Conn, have *description, sh shape, last bool) (made bool, err error) {
	if have.view {
		return false, nil
	}
	for _, columns := range sh.Indexes {
		columns = sh.rename(columns)
		place := [2]string{sh.Name, "\x00" + strings.Join(columns, "\x00")} // no column has such a name
		if s.rigid[place] || beginWith(have.indexes, columns) {
			continue
		}
		s.log.InfoContext(ctx, "making an index, which may take its time", "table", sh.Name, "columns", columns)
		err := s.define(ctx, conn, sh.Table, []string{s.createIndex(sh.Name, columns, have)})
		class := s.dialect.diagnose(err).class
		switch {
		case err == nil:
			s.log.InfoContext(ctx, "made an index", "table", sh.Name, "columns", columns)
			made = true
		case ctx.Err() != nil:
			return made, s.explain(ctx, "alter", sh.Name, err)
		case !last && (class == exists || class == refused || class == contended):
			made = true // by somebody else, at the same time
		case class == contended || class == busy || class == lost || class == unreachable || class == full:
			return made, err
		default:
			s.log.WarnContext(ctx, "the table stays without an index; looking up rows takes longer", "table", sh.Name, "columns", columns, "err", err)
			s.setRigid(place)
		}
	}
	return made, nil
}

// createIndex is the statement that makes an index of an existing table, or of a
// new one. PostgreSQL bounds what an index holds of a row to 2.7 kB and has no
// type for that: a row with more is refused. Ids are what is indexed, and short.
func (s *Sink) createIndex(table string, columns []string, have *description) string {
	d := s.dialect
	parts := make([]string, len(columns))
	for i, name := range columns {
		parts[i] = d.quote(name)
		if have != nil {
			if e := have.column(name, false); e != nil {
				parts[i] += e.prefix
			}
		}
	}
	return fmt.Sprintf("CREATE INDEX %s ON %s (%s)",
		d.quote(indexName(table, strings.Join(columns, "_"), d.traits().maxName)), d.quote(table), strings.Join(parts, ", "))
}

// beginWith tells whether one of the indexes begins with the columns.
func beginWith(indexes [][]string, columns []string) bool {
	return slices.ContainsFunc(indexes, func(index []string) bool {
		return len(index) >= len(columns) && slices.Equal(index[:len(columns)], columns)
	})
}

// indexName is cut where it is too long, with a checksum to tell such names apart.
func indexName(table, column string, longest int) string {
	name := table + "_" + column + "_idx"
	if len(name) <= longest {
		return name
	}
	sum := fmt.Sprintf("_%08x", crc32.ChecksumIEEE([]byte(name)))
	return strings.ToValidUTF8(name[:longest-len(sum)], "") + sum
}
