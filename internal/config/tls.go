package config

import "net/url"

const (
	tlsCertName = "FERRYMAN_TLS_CERT_FILE"
	tlsCertFlag = "tls-cert"
)

// checkTLS sees to it that a certificate has its key, and finds out by which
// certificate commands know a server of this machine.
func (l *loader) checkTLS() {
	switch s := l.config.Server; {
	case s.TLSCert != "" && s.TLSKey == "":
		l.problem("%s is set, and FERRYMAN_TLS_KEY_FILE is not; set both or neither", tlsCertName)
	case s.TLSCert == "" && s.TLSKey != "":
		l.problem("FERRYMAN_TLS_KEY_FILE is set, and %s is not; set both or neither", tlsCertName)
	}
	if u, err := url.Parse(l.config.Exec.URL); err == nil && u.Scheme == "https" && loopback(u.Hostname()) {
		l.config.Exec.Cert = l.tlsCert()
	}
}

// tlsCert is the path of the certificate, also where the section of the server is not
// loaded; "" without one.
func (l *loader) tlsCert() string {
	v, err := l.find(setting{name: tlsCertName, flag: tlsCertFlag})
	if err != nil || v.text == "" {
		return ""
	}
	path, err := l.resolve(v.text)
	if err != nil || !oneLine(v.text) {
		return "" // the setting itself tells of it
	}
	return path
}

// localServer is the address of a server with the same settings.
func (l *loader) localServer() (string, error) {
	if l.tlsCert() != "" {
		return "https://127.0.0.1:8080", nil
	}
	return "http://127.0.0.1:8080", nil
}
