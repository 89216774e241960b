package testdb

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"

	driver "github.com/go-sql-driver/mysql"
)

type mysql struct{}

func (mysql) create(ctx context.Context, server *url.URL, name string) error {
	return withMySQL(server, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4")
		return err
	})
}

func (mysql) drop(ctx context.Context, server *url.URL, name string) error {
	return withMySQL(server, func(db *sql.DB) error {
		// A transaction left open would make DROP wait for its lock.
		ids, err := connections(ctx, db, name)
		if err != nil {
			return err
		}
		for _, id := range ids {
			// It may be gone by now, which is as well.
			_, _ = db.ExecContext(ctx, fmt.Sprintf("KILL %d", id))
		}
		_, err = db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name)
		return err
	})
}

func connections(ctx context.Context, db *sql.DB, name string) ([]int64, error) {
	rows, err := db.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE db = ?", name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func withMySQL(server *url.URL, do func(*sql.DB) error) error {
	config := driver.NewConfig()
	config.Net, config.Addr, config.User = "tcp", server.Host, server.User.Username()
	config.Passwd, _ = server.User.Password()
	connector, err := driver.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return do(db)
}
