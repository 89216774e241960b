// Package certificate is the server's TLS certificate: it reads it and its key from
// their files, looks whether they have changed, and lets clients on the same machine
// know the server by it. No error quotes what is in the files.
package certificate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ferryman/internal/fault"
)

// Files are the paths of a certificate, with those of its authorities that it needs
// below it, and of its private key, both in PEM.
type Files struct{ Cert, Key string }

// Pair is a certificate with its key, as it was in the files.
type Pair struct {
	Leaf *x509.Certificate
	// KeyOpen says that everybody on the machine may read the key.
	KeyOpen bool

	loaded tls.Certificate
	sum    [sha256.Size]byte // of both files
}

// Names are the host names and addresses that the certificate is for.
func (p *Pair) Names() []string {
	names := slices.Clone(p.Leaf.DNSNames)
	for _, ip := range p.Leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// Soon is how long before its end a certificate wants renewing.
const Soon = 14 * 24 * time.Hour

// Trouble says what is wrong with the certificate's time, "" if nothing is. Bad says
// that clients refuse it already.
func (p *Pair) Trouble(now time.Time) (what string, bad bool) {
	switch left := p.Leaf.NotAfter.Sub(now); {
	case left <= 0:
		return "it expired at " + when(p.Leaf.NotAfter), true
	case now.Before(p.Leaf.NotBefore):
		return "it is not valid before " + when(p.Leaf.NotBefore), true
	case left < Soon:
		return "it expires at " + when(p.Leaf.NotAfter), false
	}
	return "", false
}

func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Read reads a certificate and its key, which must belong to each other. That it has
// expired is no error. Errors are faults of kind Unconfigured.
func Read(f Files) (*Pair, error) {
	t, err := readBoth(f)
	if err != nil {
		return nil, err
	}
	return t.pair(f)
}

// texts are what is in the files.
type texts struct {
	cert, key []byte
	keyMode   os.FileMode
	sum       [sha256.Size]byte // of both
}

func readBoth(f Files) (t texts, err error) {
	if t.cert, _, err = read(f.Cert); err != nil {
		return t, unusable("the certificate", err, "FERRYMAN_TLS_CERT_FILE is a file in PEM that this user may read")
	}
	if t.key, t.keyMode, err = read(f.Key); err != nil {
		return t, unusable("the key of the certificate", err, "FERRYMAN_TLS_KEY_FILE is a file in PEM that this user may read, without a passphrase")
	}
	t.sum = sha256.Sum256(slices.Concat(t.cert, []byte{0}, t.key))
	return t, nil
}

func (t texts) pair(f Files) (*Pair, error) {
	loaded, err := tls.X509KeyPair(t.cert, t.key)
	if err != nil {
		return nil, unusable(fmt.Sprintf("the certificate in %s with the key in %s", f.Cert, f.Key), err,
			"both are in PEM, the server's certificate is the first of its file, and the key is its own, without a passphrase")
	}
	return &Pair{Leaf: loaded.Leaf, loaded: loaded, sum: t.sum, KeyOpen: runtime.GOOS != "windows" && t.keyMode.Perm()&0o004 != 0}, nil
}

func unusable(what string, err error, hint string) error {
	return &fault.Error{Kind: fault.Unconfigured, Code: "tls_files", Detail: "cannot use " + what, Err: err, Hint: hint}
}

// maxFile is how large one of the files may be, in bytes.
const maxFile = 1 << 20

func read(path string) ([]byte, os.FileMode, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular(): // a pipe would be waited for
		return nil, 0, fmt.Errorf("%s is no file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return text, info.Mode(), err
}

// Holder has the certificate that the server shows. It is safe for concurrent use.
type Holder struct {
	files Files
	log   *slog.Logger
	now   atomic.Pointer[Pair]

	mu     sync.Mutex // of who looks
	said   string     // of files that cannot be used
	warned time.Time  // when the log last told that it wants renewing
}

// Open reads the certificate that the server begins with.
func Open(files Files, log *slog.Logger) (*Holder, error) {
	h := &Holder{files: files, log: log}
	p, err := Read(files)
	if err != nil {
		return nil, err
	}
	h.show(p)
	h.remind()
	return h, nil
}

// Current is what the server shows now.
func (h *Holder) Current() *Pair { return h.now.Load() }

// TLS is how the server speaks: TLS 1.2 or newer, with the certificate of the moment.
// It looks for that at each handshake, since clients that know it by its file do so, too;
// but no two wait for a disk that hangs.
func (h *Holder) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			h.lookUnlessSomebodyDoes()
			return &h.Current().loaded, nil
		},
	}
}

// lookEvery is how often the files are read while nobody calls. They are small, and what is in them is
// what counts: the time of a file that a symbolic link leads to may be an old one.
const lookEvery = 5 * time.Second

// Watch reads the files anew until ctx ends, and shows what is new in them. What
// cannot be used is logged once, and what was shown before stays.
func (h *Holder) Watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			go h.lookUnlessSomebodyDoes() // a disk that hangs must not keep the server from ending
		case <-ctx.Done():
			return
		}
	}
}

func (h *Holder) lookUnlessSomebodyDoes() {
	if h.mu.TryLock() {
		defer h.mu.Unlock()
		h.look()
	}
}

// look shows what is new in the files. Its caller holds mu.
func (h *Holder) look() {
	t, err := readBoth(h.files)
	if err == nil && t.sum != h.Current().sum {
		var p *Pair
		if p, err = t.pair(h.files); err == nil {
			h.show(p)
			h.warned = time.Time{}
		}
	}
	switch {
	case err == nil:
		h.said = ""
	case h.said != err.Error():
		h.said = err.Error()
		h.log.Warn("the new tls certificate cannot be used; the old one stays", "file", h.files.Cert, "err", err)
	}
	h.remind()
}

// remindEvery is how often the log tells that the certificate wants renewing.
const remindEvery = 24 * time.Hour

func (h *Holder) remind() {
	now := time.Now()
	if now.Sub(h.warned) < remindEvery {
		return
	}
	if what, _ := h.Current().Trouble(now); what != "" {
		h.warned = now
		h.log.Warn("the tls certificate wants renewing", "file", h.files.Cert, "problem", what)
	}
}

func (h *Holder) show(p *Pair) {
	h.now.Store(p)
	h.log.Info("tls certificate", "file", h.files.Cert, "name", strings.Join(p.Names(), ","), "until", p.Leaf.NotAfter.UTC())
	if p.KeyOpen {
		h.log.Warn("everybody on this machine may read the key of the tls certificate: chmod 640", "file", h.files.Key)
	}
}

// Pinned lets a client on the server's machine know it by the certificate in its file,
// whatever names it is for: on loopback it goes by none. Where the server shows another,
// since it cannot use a new one, that must be good for a name of the one in the file, by
// the authorities of the system or those in the file below it.
func Pinned(file string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection takes no certificate but those
		VerifyConnection: func(s tls.ConnectionState) error {
			if err := known(file, s.PeerCertificates); err != nil {
				return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
			}
			return nil
		},
	}
}

func known(file string, shown []*x509.Certificate) error {
	text, _, err := read(file)
	if err != nil {
		return err
	}
	var chain [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	switch {
	case len(chain) == 0:
		return fmt.Errorf("%s holds no certificate", file)
	case len(shown) == 0:
		return errors.New("the server shows no certificate")
	case bytes.Equal(chain[0], shown[0].Raw):
		return nil
	}
	if err := standsFor(chain, shown); err != nil {
		return fmt.Errorf("the server shows another certificate than the one in %s (its log may say why), and one that is not trusted: %w", file, err)
	}
	return nil
}

// standsFor verifies, in the ordinary way, a certificate that is shown in place of the first
// of a chain.
func standsFor(chain [][]byte, shown []*x509.Certificate) error {
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	for _, der := range chain[1:] {
		if authority, err := x509.ParseCertificate(der); err == nil && authority.IsCA {
			roots.AddCert(authority)
		}
	}
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	if _, err := shown[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
		return err
	}
	err = errors.New("the one in the file names nobody")
	for _, name := range (&Pair{Leaf: leaf}).Names() {
		if err = shown[0].VerifyHostname(name); err == nil {
			return nil
		}
	}
	return err
}
