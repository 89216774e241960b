package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ferryman/internal/certificate"
	"ferryman/internal/config"
	"ferryman/internal/fault"
)

func newHealth() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "health", Short: "Ask a server whether it is ready", Args: noArgs,
		Long: `Ask the server at FERRYMAN_URL whether it is ready, for the health check of a container
that has no other program to do so. It needs no key.

Exit codes: 0 it is ready; 1 wrong usage or settings; 5 it is not, or does not answer.

` + config.Usage(config.FileSection) + "\n" + `The address is FERRYMAN_URL; default: http://127.0.0.1:8080, or https://127.0.0.1:8080
where FERRYMAN_TLS_CERT_FILE is set. On this machine the server is known by that file.`,
		Example: "  ferryman health\n  FERRYMAN_URL=http://10.0.0.5:8080 ferryman health --timeout 2s",
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := config.Process(cmd.Flags())
			if err != nil {
				return err
			}
			in.Sections, in.Ignore = pushSections(), []string{"FERRYMAN_SPOOL_DIR", "FERRYMAN_API_KEY"}
			conf, _, err := load(cmd, in, slog.LevelWarn)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), wait)
			defer cancel()
			return askReady(ctx, cmd.OutOrStdout(), conf.Exec.URL, knownBy(conf.Exec.Cert))
		},
	}
	config.AddFlags(c.Flags(), config.FileSection)
	c.Flags().DurationVar(&wait, "timeout", 5*time.Second, "how long to wait for the answer")
	return c
}

// knownBy is how a server of this machine is known by its certificate's file; nil, which
// is by its name and the authorities of the system, without one.
func knownBy(cert string) *tls.Config {
	if cert == "" {
		return nil
	}
	return certificate.Pinned(cert)
}

// askReady prints what the server answers, and fails unless it is ready.
func askReady(ctx context.Context, w io.Writer, server string, known *tls.Config) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(server, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: known, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return unreached(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	const most = 64 << 10
	answer, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return err
	}
	if res.StatusCode == http.StatusBadRequest && strings.Contains(string(answer), "HTTP request to an HTTPS server") {
		return &fault.Error{
			Kind: fault.Unavailable, Code: "tls", Detail: "the server at " + server + " speaks HTTPS",
			Hint: "set FERRYMAN_URL to an address that begins with https://, or on the server's machine FERRYMAN_TLS_CERT_FILE as the server has it",
		}
	}
	fmt.Fprintln(w, strings.TrimSpace(string(answer)))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not ready: %s", res.Status)
	}
	return nil
}

// unreached is the error of a call that was not answered, with what to do about it.
func unreached(err error) error {
	f := &fault.Error{
		Kind: fault.Unavailable, Code: "unreachable", Err: err,
		Hint: "check that the server runs, and FERRYMAN_URL",
	}
	_, unknown := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		f.Code, f.Hint = "tls", "the server speaks plain HTTP: set FERRYMAN_URL to an address that begins with http://"
	case unknown:
		f.Code, f.Hint = "tls", "on the server's machine set FERRYMAN_TLS_CERT_FILE as the server has it; elsewhere set FERRYMAN_URL to a name that its certificate is for, "+
			"and SSL_CERT_FILE to that of its authority if the system does not know it"
	case errors.Is(err, context.DeadlineExceeded):
		f.Kind, f.Code, f.Hint = fault.Timeout, "timeout", "check that the server is well, and FERRYMAN_URL; --timeout waits longer"
	}
	return f
}
