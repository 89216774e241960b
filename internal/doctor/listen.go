package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answerTime bounds how long a server on this machine is waited for.
const answerTime = 5 * time.Second

// Listen looks whether the address is free that a server is to listen on, or has a
// Ferryman that is ready. exposed tells whether it would refuse to start there, because
// the network reaches the address and there is no key; nil does not know. speak is how
// that server is known if it speaks TLS, nil if it does not.
func Listen(address string, exposed func(context.Context) (bool, error), speak *tls.Config) Check {
	return Check{"listen", func(ctx context.Context) []Finding {
		resolved, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			return []Finding{problem("name an address of this machine with --listen or FERRYMAN_LISTEN", "%s: %v", address, err)}
		}
		if exposed != nil && !resolved.IP.IsLoopback() {
			switch open, err := exposed(ctx); {
			case err != nil:
				return []Finding{failed(err)}
			case open:
				return []Finding{problem("make a key first: ferryman key create --app ferryman --scope admin; or listen on 127.0.0.1",
					"%s is reached by the network, and there is no key: the server would not start", address)}
			}
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", resolved.String())
		switch {
		case err == nil:
			_ = l.Close() // nobody has connected
			return []Finding{Well("%s is free: no server runs there", address)}
		case taken(err):
			return []Finding{ask(ctx, resolved, speak)}
		}
		return []Finding{problem("name an address of this machine, and a port that this user may take, with --listen or FERRYMAN_LISTEN", "%s: %v", address, err)}
	}}
}

// ask asks who has the address, also as a server would speak with other settings: one that
// these settings do not know is not to be taken for a stranger.
func ask(ctx context.Context, a *net.TCPAddr, speak *tls.Config) Finding {
	host := a.IP.String()
	if a.IP == nil || a.IP.IsUnspecified() {
		host = "localhost" // nobody can call every address
	}
	at := net.JoinHostPort(host, strconv.Itoa(a.Port))
	found, who := askBy(ctx, at, speak)
	if who == ferryman {
		return found
	}
	_, byTLS := askBy(ctx, at, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is told nothing, and not believed
	if speak != nil {
		if byTLS == ferryman {
			found.Remedy = "if it is to be this Ferryman, set FERRYMAN_TLS_CERT_FILE as it has it, or restart it; if not, name another address with --listen or FERRYMAN_LISTEN"
		}
		if _, who := askBy(ctx, at, nil); who == ferryman {
			return problem("restart it with these settings, or look with those that it has: without FERRYMAN_TLS_CERT_FILE and FERRYMAN_TLS_KEY_FILE",
				"a Ferryman at %s speaks plain HTTP, and these settings have a certificate", at)
		}
		return found
	}
	switch byTLS {
	case ferryman:
		return problem("set FERRYMAN_TLS_CERT_FILE and FERRYMAN_TLS_KEY_FILE (--tls-cert, --tls-key) as that server has them",
			"a Ferryman at %s speaks TLS, and these settings have no certificate", at)
	case somebody:
		return problem("if it is to be Ferryman, set FERRYMAN_TLS_CERT_FILE and FERRYMAN_TLS_KEY_FILE (--tls-cert, --tls-key) as it has them; if not, name another address with --listen or FERRYMAN_LISTEN",
			"%s is taken by a program that speaks TLS and does not answer as Ferryman does", at)
	}
	return found
}

// who answers.
type who int

const (
	nobody   who = iota // whom one could speak with
	somebody            // who is not known
	ferryman
)

// askBy asks by TLS, or without if speak is nil.
func askBy(ctx context.Context, at string, speak *tls.Config) (Finding, who) {
	scheme := "http://"
	if speak != nil {
		scheme = "https://"
	}
	other := problem("stop that program, or name another address with --listen or FERRYMAN_LISTEN", "%s is taken by a program that does not answer as Ferryman does", at)
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+at+"/readyz", nil)
	if err != nil {
		return other, nobody
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: speak}, // no proxy: it is this machine
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		other.Detail += ": " + err.Error()
		return other, nobody
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	var answer struct {
		Status any      `json:"status"` // "ok"; of a problem, the number
		Code   string   `json:"code"`   // of a problem
		Detail string   `json:"detail"`
		Checks []string `json:"checks"`
	}
	const most = 64 << 10
	if err := json.NewDecoder(io.LimitReader(res.Body, most)).Decode(&answer); err != nil {
		return other, somebody
	}
	switch {
	case res.StatusCode == http.StatusOK && answer.Status == "ok" && len(answer.Checks) > 0:
		return Well("the Ferryman at %s is ready: %s", at, strings.Join(answer.Checks, ", ")), ferryman
	case res.StatusCode == http.StatusServiceUnavailable && answer.Code == "not_ready":
		return problem("look into its log; what it names stands in docs/operations.md under Troubleshooting", "the Ferryman at %s is not ready: %s", at, answer.Detail), ferryman
	}
	return other, somebody
}
