package ledger

import (
	"context"
	"fmt"
	"time"

	"ferryman/internal/db"
)

const (
	// What is numbered 5 may be stored after what is numbered 6: the newest few
	// together show it, where the newest alone would not.
	pulseNewest = 100
	// What ends now counts in the hour of now, or in the one before.
	pulseBack = 2 * time.Hour
)

// Pulse gives a text that is another one whenever an execution began or ended, an
// end was reported afterwards, a message came, an event happened, or a cron or a
// maintenance window was added, changed or removed. It takes a few looks at the
// ends of indexes.
func (l *Ledger) Pulse(ctx context.Context) (string, error) {
	since := l.db.Now().Add(-pulseBack).Truncate(time.Hour)
	newest := func(column, table string) string {
		return fmt.Sprintf("(SELECT CAST(coalesce(sum(%[1]s), 0) AS BIGINT) FROM (SELECT %[1]s FROM %[2]s ORDER BY %[1]s DESC LIMIT %[3]d) AS newest)",
			column, table, pulseNewest)
	}
	var begun, ended, told, said, happened, changed, windows, kept int64
	err := l.db.QueryRow(ctx, "SELECT "+newest("id", "executions")+`,
		(SELECT CAST(coalesce(sum(changes), 0) AS BIGINT) FROM application_hours WHERE at >= $1),
		(SELECT CAST(coalesce(sum(changes), 0) AS BIGINT) FROM application_hours WHERE at = 0),
		`+newest("id", "messages")+", "+newest("id", "events")+", "+newest("updated_at", "crons")+", "+newest("id", "maintenance_windows")+`,
		(SELECT count(*) FROM maintenance_windows)`, db.Time{Time: since}).Scan(&begun, &ended, &told, &said, &happened, &changed, &windows, &kept)
	if err != nil {
		return "", fmt.Errorf("pulse: %w", err)
	}
	return fmt.Sprintf("%x-%x.%x-%x-%x-%x-%x-%x.%x", begun, since.Unix(), ended, told, said, happened, changed, windows, kept), nil
}
