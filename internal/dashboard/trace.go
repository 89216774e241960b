package dashboard

import (
	"log/slog"
	"net/http"
)

func slogLevel(status int) slog.Level {
	if status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout {
		return slog.LevelWarn
	}
	return slog.LevelError
}

func errAttrs(r *request, t trouble, err error) []slog.Attr {
	return []slog.Attr{slog.String("route", r.Pattern), slog.String("request_id", t.Request), slog.String("err", err.Error())}
}
