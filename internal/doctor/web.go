package doctor

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"

	"ferryman/internal/httpclient"
)

// Web asks the web service at base whether it answers, whatever it says, without any
// credentials. setting is the name of what holds the address.
func Web(name, setting, base, version string) Check {
	return Check{name, func(ctx context.Context) []Finding {
		u, err := httpclient.ParseBase(setting, base, "https://api.example.com")
		if err != nil {
			return []Finding{failed(err)}
		}
		client := httpclient.New(httpclient.Options{
			Timeout: 10 * time.Second, MaxAnswerBytes: 64 << 10, Version: version, Settings: httpclient.Settings{Address: setting},
		})
		defer client.Close()
		begun := time.Now()
		e, err := client.Exchange(ctx, httpclient.Request{Method: http.MethodGet, URL: u, Shown: origin(u)})
		took := time.Since(begun)
		if e.Status == 0 {
			return []Finding{failed(err)}
		}
		var found []Finding
		if e.Status >= http.StatusInternalServerError {
			found = append(found, Doubtful("it is the other side's trouble: Ferryman tries again by itself", "%s answers with %d", origin(u), e.Status))
		} else {
			found = append(found, Well("%s answers in %v", origin(u), took.Round(time.Millisecond)))
		}
		if date, err := http.ParseTime(e.Header.Get("Date")); err == nil {
			// A date has no fractions, and is made at some time of the exchange.
			if ahead := date.Sub(begun); ahead < -clockDate || ahead > took+clockDate {
				found = append(found, clock("its", ahead))
			}
		}
		return found
	}}
}

// clockDate is how far the clock of a web service may be off.
const clockDate = 30 * time.Second

// Host looks whether a connection can be made to the host of an address of which
// nothing may be shown but that, and which must not be asked anything.
func Host(name, address string) Check {
	return Check{name, func(ctx context.Context) []Finding {
		u, err := url.Parse(address) // its error quotes the address
		if err != nil || u.Hostname() == "" {
			return []Finding{problem("correct it", "its address is no URL with a host")}
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		begun := time.Now()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			return []Finding{problem("check the host name, the network, and whether the other side runs", "%s: %v", origin(u), err)}
		}
		_ = conn.Close() // nothing was sent
		return []Finding{Well("%s takes connections, in %v", origin(u), time.Since(begun).Round(time.Millisecond))}
	}}
}

// origin is an address without what may be secret in it.
func origin(u *url.URL) *url.URL { return &url.URL{Scheme: u.Scheme, Host: u.Host} }
