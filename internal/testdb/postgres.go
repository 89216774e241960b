package testdb

import (
	"context"
	"net/url"

	"github.com/jackc/pgx/v5"
)

type postgres struct{}

func (postgres) create(ctx context.Context, server *url.URL, name string) error {
	return pgExec(ctx, server, "CREATE DATABASE "+name)
}

func (postgres) drop(ctx context.Context, server *url.URL, name string) error {
	return pgExec(ctx, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}

func pgExec(ctx context.Context, server *url.URL, statement string) error {
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, statement)
	return err
}
