package program

import (
	"net/http/httptest"
	"testing"

	"ferryman/internal/sandbox/wms"
)

// Warehouses starts a simulated WMS API, which lives until the test ends, and gives
// its address and the settings of a server that reads from it.
func Warehouses(t testing.TB) (api *wms.Server, url string, env []string) {
	t.Helper()
	api, err := wms.New(wms.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return api, server.URL, []string{
		"API_BASE_URL=" + server.URL + wms.DefaultBase,
		"API_USER=" + wms.DefaultUsername, "API_PASSWORD=" + wms.DefaultPassword,
	}
}
