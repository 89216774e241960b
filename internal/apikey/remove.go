package apikey

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ferryman/internal/db"
)

// step is how many rows one transaction of a removal deletes: others write to
// the store meanwhile.
const step = 500

// RemoveApplication removes an application, its keys, its crons and all that is
// known of their executions, also of those that run. From the first moment its
// keys are refused and its crons start no more; the rest goes in many short
// transactions. To call it again after an error goes on where it stopped.
//
// It gives ErrNoApplication, ErrBuiltIn, or, without force, ErrApplicationInUse
// if the application has crons that are not deleted.
func (r *Registry) RemoveApplication(ctx context.Context, name string, force bool) error {
	id, err := r.retire(ctx, name, force)
	if err != nil {
		return fmt.Errorf("remove application %s: %w", name, err)
	}
	for _, part := range []func(context.Context, *db.Tx, int64) (done bool, err error){
		removeExecutions, removeEvents, removeCrons,
	} {
		if err := r.inSteps(ctx, id, part); err != nil {
			return fmt.Errorf("remove application %s: %w", name, err)
		}
	}
	err = r.change(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM applications WHERE id = $1", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove application %s: %w", name, err)
	}
	return nil
}

// retire lets nothing of an application begin any more.
func (r *Registry) retire(ctx context.Context, name string, force bool) (id int64, err error) {
	if name == BuiltIn {
		return 0, ErrBuiltIn
	}
	err = r.change(ctx, func(tx *db.Tx) error {
		var crons int64
		err := tx.QueryRow(ctx, `SELECT a.id, (SELECT count(*) FROM crons WHERE application_id = a.id AND deleted_at IS NULL)
			FROM applications a WHERE a.name = $1`, name).Scan(&id, &crons)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNoApplication
		case err != nil:
			return err
		case crons > 0 && !force:
			return ErrApplicationInUse
		}
		now := db.Time{Time: tx.Now()}
		if _, err := tx.Exec(ctx, "UPDATE api_keys SET revoked_at = $1 WHERE application_id = $2 AND revoked_at IS NULL", now, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE crons SET deleted_at = $1, updated_at = $1, active = FALSE, expected_at = NULL, late_at = NULL
			WHERE application_id = $2 AND deleted_at IS NULL`, now, id)
		return err
	})
	return id, err
}

// inSteps runs part in transactions of their own until it is done. Between two
// it waits for as long as one took: another process's transactions get their turn.
func (r *Registry) inSteps(ctx context.Context, app int64, part func(context.Context, *db.Tx, int64) (bool, error)) error {
	for {
		begun := time.Now()
		done := false
		err := r.db.Tx(ctx, func(tx *db.Tx) (err error) {
			done, err = part(ctx, tx, app)
			return err
		})
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Since(begun)):
		}
	}
}

const oldestExecutions = `(SELECT id FROM executions WHERE application_id = $1 ORDER BY id LIMIT $2)`

// removeExecutions deletes the oldest executions once their messages are gone.
func removeExecutions(ctx context.Context, tx *db.Tx, app int64) (done bool, err error) {
	n, err := tx.Exec(ctx, `DELETE FROM messages WHERE id IN (
		SELECT id FROM messages WHERE execution_id IN `+oldestExecutions+` LIMIT $2)`, app, step)
	if err != nil || n == step {
		return false, err
	}
	n, err = tx.Exec(ctx, "DELETE FROM executions WHERE id IN "+oldestExecutions, app, step)
	return n == 0, err
}

func removeEvents(ctx context.Context, tx *db.Tx, app int64) (done bool, err error) {
	n, err := tx.Exec(ctx, "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE application_id = $1 LIMIT $2)", app, step)
	return n == 0, err
}

func removeCrons(ctx context.Context, tx *db.Tx, app int64) (done bool, err error) {
	n, err := tx.Exec(ctx, "DELETE FROM crons WHERE id IN (SELECT id FROM crons WHERE application_id = $1 LIMIT $2)", app, step)
	return n == 0, err
}
