package jobs_test

import (
	"testing"

	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
	"ferryman/internal/jobs"
	"ferryman/internal/testdb"
)

// postgres gives a migrated store for tests of several nodes.
func postgres(t *testing.T) *db.DB {
	t.Helper()
	return dbtest.Open(t, testdb.Postgres(t), db.Options{}, jobs.Migrate)
}
