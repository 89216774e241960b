package db

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"
)

// Time is a time.Time in a BIGINT column: microseconds since 1970 in UTC. The
// zero time is NULL.
type Time struct{ time.Time }

// Value implements driver.Valuer.
func (t Time) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil
	}
	return t.UnixMicro(), nil
}

// Scan implements sql.Scanner.
func (t *Time) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		t.Time = time.Time{}
	case int64:
		t.Time = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("scan time: column holds %T, not microseconds", src)
	}
	return nil
}

// ScanTime is a sql.Scanner that reads a Time into t.
func ScanTime(t *time.Time) sql.Scanner { return timeScanner{t} }

type timeScanner struct{ t *time.Time }

func (s timeScanner) Scan(src any) error {
	var t Time
	err := t.Scan(src)
	*s.t = t.Time
	return err
}

// Duration is a time.Duration in a BIGINT column of microseconds; zero is NULL.
type Duration time.Duration

// Value implements driver.Valuer.
func (d Duration) Value() (driver.Value, error) {
	if d == 0 {
		return nil, nil
	}
	return time.Duration(d).Microseconds(), nil
}

// Scan implements sql.Scanner.
func (d *Duration) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*d = 0
	case int64:
		*d = Duration(time.Duration(v) * time.Microsecond)
	default:
		return fmt.Errorf("scan duration: column holds %T, not microseconds", src)
	}
	return nil
}
