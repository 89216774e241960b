package sqlsink

import (
	"bytes"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"ferryman/internal/fault"
	"ferryman/internal/sink/sqlsink/tdsfake"
)

func TestURLsOfMSSQL(t *testing.T) {
	for address, want := range map[string]struct {
		host, instance, database, at string
		port                         uint64
		encryption                   int
		trust, clear                 bool
	}{
		"sqlserver://u:p@h:1433/d":                                     {"h", "", "d", "h:1433", 1433, 0, true, false},
		"mssql://u:p@h/d":                                              {"h", "", "d", "h:1433", 0, 0, true, false},
		"sqlserver://u:p@h?database=d":                                 {"h", "", "d", "h:1433", 0, 0, true, false},
		"sqlserver://u:p@h/?database=d":                                {"h", "", "d", "h:1433", 0, 0, true, false},
		"sqlserver://u:p@h:1434/i/d":                                   {"h", "i", "d", "h:1434", 1434, 0, true, false},
		"sqlserver://u:p@h/i/d":                                        {"h", "i", "d", `h\i`, 0, 0, true, false},
		"sqlserver://u:p@[::1]:5/a%2Fb%20c":                            {"::1", "", "a/b c", "[::1]:5", 5, 0, true, false},
		"sqlserver://u:p@h/d?useSSL=true":                              {"h", "", "d", "h:1433", 0, 1, false, false},
		"sqlserver://u:p@h/d?useSSL=false":                             {"h", "", "d", "h:1433", 0, 3, true, true},
		"sqlserver://u:p@h/d?encrypt=disable":                          {"h", "", "d", "h:1433", 0, 3, false, true},
		"sqlserver://u:p@h/d?Encrypt=true&trustServerCertificate=true": {"h", "", "d", "h:1433", 0, 1, true, false},
		"sqlserver://u:p@h/d?encrypt=strict":                           {"h", "", "d", "h:1433", 0, 4, false, false},
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		c, err := mssqlConfig(u)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if c.Host != want.host || c.Instance != want.instance || c.Database != want.database || c.Port != want.port ||
			int(c.Encryption) != want.encryption || !sentInClear(c) && c.TrustServerCertificate != want.trust || sentInClear(c) != want.clear || mssqlAddress(c) != want.at {
			t.Errorf("%s is %s, instance %q, database %q, port %d, encryption %d, trust %v, at %s", address, c.Host, c.Instance, c.Database, c.Port,
				c.Encryption, c.TrustServerCertificate, mssqlAddress(c))
		}
	}
}

func TestMSSQLRefusesBadURLs(t *testing.T) {
	password := url.QueryEscape(secret)
	for address, want := range map[string]string{
		"sqlserver://u:" + password + "@h":                               "no database",
		"sqlserver://u:" + password + "@h/":                              "no database",
		"sqlserver://u:" + password + "@h/d?database=d":                  "beside it",
		"sqlserver://u:" + password + "@h/i/d?database=d":                "beside it",
		"sqlserver://u:" + password + "@h/a/b/c":                         "none of",
		"sqlserver://u:" + password + "@h//d/":                           "",
		"sqlserver://u:" + password + "@h/a//b":                          "none of",
		"sqlserver://u:" + password + "@/d":                              "no host",
		"sqlserver://:" + password + "@h/d":                              "no user",
		"sqlserver://u:" + password + "@h/d#x":                           "fragment",
		"sqlserver://u:" + password + "@h:99999/d":                       "can't be used",
		"sqlserver://u:" + password + "@h/d?encrypt=perhaps":             "can't be used",
		"sqlserver://u:" + password + "@h/d?certificate=absent.pem":      "can't be used",
		"sqlserver://u:" + password + "@h/d?useSSL=perhaps":              "useSSL",
		"sqlserver://u:" + password + "@h/d?useSSL=true&encrypt=disable": "useSSL",
		"sqlserver://u:" + password + "@h/d?encrypt=true&Encrypt=false":  "twice",
		"sqlserver://u:" + password + "@h/d?log=63":                      `"log"`,
		"sqlserver://u:" + password + "@h/d?password=x":                  `"password"`,
	} {
		s, err := Open(address, Options{Pipeline: "p"})
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", address, err)
			} else {
				s.Close()
			}
			continue
		}
		if err == nil {
			s.Close()
		}
		checkFault(t, err, fault.Unconfigured, "target_url", want)
	}
}

// What the URL says is what the server is told.
func TestMSSQLLogin(t *testing.T) {
	f := fakeMSSQL(t)
	for path, want := range map[string]tdsfake.LoginRecord{
		"/d":                      {Server: "127.0.0.1", Database: "d"},
		"/i/d":                    {Server: `127.0.0.1\i`, Database: "d"},
		"?database=d":             {Server: "127.0.0.1", Database: "d"},
		"/d?useSSL=false":         {Server: "127.0.0.1", Database: "d", Encryption: 2},
		"/a%20b?encrypt=disable":  {Server: "127.0.0.1", Database: "a b", Encryption: 2},
		"/d?encrypt=false":        {Server: "127.0.0.1", Database: "d"},
		"/%E5%85%A8?useSSL=false": {Server: "127.0.0.1", Database: "全", Encryption: 2},
	} {
		f.Forget()
		s := openSink(t, "sqlserver://me:"+url.QueryEscape(secret)+"@"+f.Address()+path, Options{Pipeline: "p"})
		if err := s.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		want.Name, want.Password, want.Application = "me", secret, "ferryman"
		if got := f.Requests()[0].User; got != want {
			t.Errorf("%s: %+v", path, got)
		}
	}
	// A server without encryption is no reason to go without it.
	s := openSink(t, "sqlserver://me:"+url.QueryEscape(secret)+"@"+f.Address()+"/d?encrypt=true", Options{Pipeline: "p"})
	if err := s.Prepare(t.Context()); err == nil {
		t.Error("encrypt=true is content without encryption")
	}
}

func TestMSSQLWarnsOfClearPasswords(t *testing.T) {
	for parameters, warns := range map[string]bool{"": false, "?useSSL=true": false, "?useSSL=false": true, "?encrypt=disable": true} {
		var log bytes.Buffer
		openSink(t, "sqlserver://u:"+url.QueryEscape(secret)+"@h/d"+parameters, Options{Pipeline: "p", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if got := strings.Contains(log.String(), "in clear"); got != warns || strings.Contains(log.String(), "s3cr") {
			t.Errorf("%q: %s", parameters, &log)
		}
	}
}

func TestMSSQLVersions(t *testing.T) {
	for version, old := range map[string]bool{"10.50.1600.1": true, "11.0.2100.60": false, "12.0.2000.8": false, "16.0.4135.4": false, "": false} {
		if err := (&mssql{}).checkVersion(version); (err != nil) != old {
			t.Errorf("%s: %v", version, err)
		}
	}
}
