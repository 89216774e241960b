package apikey

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"

	"ferryman/internal/db"
	"ferryman/internal/fault"
)

// maxApplications is far above what one Ferryman serves; a script gone wild
// shall not fill the store.
const maxApplications = 10_000

// AddApplication adds an application. Its name has one to a hundred of a-z, 0-9,
// _ and -, and begins with a letter or a digit. It gives ErrApplicationExists
// when the name is taken.
func (r *Registry) AddApplication(ctx context.Context, name string) (Application, error) {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`).MatchString(name) {
		return Application{}, &fault.Error{
			Kind: fault.Invalid, Code: "application_name", Detail: "this is no name for an application",
			Hint: "take up to 100 of a-z, 0-9, _ and -, a letter or a digit first",
		}
	}
	a := Application{Name: name}
	err := r.change(ctx, func(tx *db.Tx) error {
		a.CreatedAt = tx.Now()
		var many int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM applications").Scan(&many); err != nil {
			return err
		}
		if many >= maxApplications {
			return &fault.Error{
				Kind: fault.Conflict, Code: "too_many_applications", Detail: fmt.Sprintf("there are %d applications already", many),
				Hint: "remove those that are no longer needed",
			}
		}
		err := tx.QueryRow(ctx, "INSERT INTO applications (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING id",
			name, db.Time{Time: a.CreatedAt}).Scan(&a.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrApplicationExists
		}
		return err
	})
	if err != nil {
		return Application{}, fmt.Errorf("add application %s: %w", name, err)
	}
	return a, nil
}

const selectApplications = `
	SELECT a.id, a.name, a.created_at,
		(SELECT count(*) FROM crons c WHERE c.application_id = a.id AND c.deleted_at IS NULL),
		(SELECT count(*) FROM api_keys k WHERE k.application_id = a.id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $1))
	FROM applications a `

func scanApplication(row interface{ Scan(dest ...any) error }) (Application, error) {
	var a Application
	var created db.Time
	err := row.Scan(&a.ID, &a.Name, &created, &a.Crons, &a.Keys)
	a.CreatedAt = created.Time
	return a, err
}

// Applications gives all applications by name.
func (r *Registry) Applications(ctx context.Context) ([]Application, error) {
	rows, err := r.db.Query(ctx, selectApplications+"ORDER BY a.name", db.Time{Time: r.db.Now()})
	if err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Application, error) { return scanApplication(r) })
	if err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	return all, nil
}

// Names gives the names of the first applications, at most so many. Unlike
// Applications it looks at nothing that they have.
func (r *Registry) Names(ctx context.Context, limit int) ([]string, error) {
	rows, err := r.db.Query(ctx, "SELECT name FROM applications ORDER BY name LIMIT $1", limit)
	if err != nil {
		return nil, fmt.Errorf("list the names of applications: %w", err)
	}
	names, err := db.Collect(rows, func(r *db.Rows) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the names of applications: %w", err)
	}
	return names, nil
}

// Application gives the application of this name, or ErrNoApplication.
func (r *Registry) Application(ctx context.Context, name string) (Application, error) {
	a, err := scanApplication(r.db.QueryRow(ctx, selectApplications+"WHERE a.name = $2", db.Time{Time: r.db.Now()}, name))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoApplication
	}
	if err != nil {
		return Application{}, fmt.Errorf("application %q: %w", name, err)
	}
	return a, nil
}
