package packages

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ferryman/internal/certificate/certtest"
	"ferryman/internal/testwait"
)

// TestPackages builds the packages twice, as two versions, and goes through the life of
// the deb and of the rpm on a system that systemd runs, step by step.
func TestPackages(t *testing.T) {
	goreleaser, root := needs(t, "FERRYMAN_TEST_GORELEASER"), needs(t, "FERRYMAN_TEST_DEBIAN_ROOT")
	packages := t.TempDir()
	older, newer := release(t, goreleaser, "v1.0.0"), release(t, goreleaser, "v1.1.0")
	t.Run("files of the release", func(t *testing.T) { lookAtRelease(t, newer) })
	for name, file := range map[string]string{
		"older.deb": only(t, older, "*.deb"), "newer.deb": only(t, newer, "*.deb"),
		"older.rpm": only(t, older, "*.rpm"), "newer.rpm": only(t, newer, "*.rpm"),
	} {
		if err := os.Link(file, filepath.Join(packages, name)); err != nil {
			t.Fatal(err)
		}
	}
	l := life{boot(t, root, packages)}
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"rpm", l.rpm},
		{"install", l.install},
		{"files", l.files},
		{"commands", l.commands},
		{"encryption", l.encryption},
		{"manual", l.manual},
		{"completions", l.completions},
		{"upgrade", l.upgrade},
		{"upgrade of a service that is switched off", l.upgradeSwitchedOff},
		{"remove", l.remove},
		{"install again", l.installAgain},
		{"purge", l.purge},
		{"install of the rpm", l.rpmInstall},
		{"upgrade of the rpm", l.rpmUpgrade},
		{"erasure of the rpm", l.rpmErase},
	} {
		if !t.Run(step.name, step.do) {
			return // the next step begins where this one ends
		}
	}
}

// life is what happens to the packages on a machine.
type life struct{ *machine }

// install gives a service that runs.
func (l life) install(t *testing.T) {
	l.run(t, "dpkg", "--install", "/host/older.deb")
	if out := l.run(t, "dpkg", "--verify", "ferryman"); out != "" {
		t.Errorf("dpkg misses something:\n%s", out)
	}
	if state := l.run(t, "systemctl", "is-enabled", "ferryman"); state != "enabled" {
		t.Errorf("the service is %s", state)
	}
	if out := l.run(t, "systemd-analyze", "verify", "ferryman.service"); out != "" {
		t.Errorf("the unit has faults:\n%s", out)
	}
	if out, err := l.try("systemd-analyze", "security", "--no-pager", "--threshold=11", "ferryman.service"); err != nil { // of 100
		t.Errorf("the unit allows more than it needs:\n%s", out)
	}
	if limit := l.run(t, "systemctl", "show", "-P", "StartLimitIntervalUSec", "ferryman"); limit != "0" {
		t.Errorf("systemd gives up on it if it fails often within %s", limit)
	}
	l.serves(t, "8080", "1.0.1")
	got := l.shell(t, `ps() { tr '\0' ' ' </proc/$1/cmdline; stat -c %U:%G /proc/$1; }; ps "$(systemctl show -P MainPID ferryman)"`)
	if !strings.HasSuffix(got, "ferryman serve ferryman:ferryman") {
		t.Errorf("there runs %s", got)
	}
}

// serves waits until the service of a version answers at a port.
func (l life) serves(t *testing.T, port, version string) {
	t.Helper()
	ask := `exec 3<>/dev/tcp/127.0.0.1/` + port + `; printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$0" >&3; cat <&3`
	last := ""
	testwait.Until(t, "the service answers at port "+port, func() bool {
		last, _ = l.try("bash", "-euc", ask, "/healthz")
		if strings.Contains(last, "200 OK") && strings.Contains(last, `{"status":"ok"}`) {
			return true
		}
		if state, _ := l.try("systemctl", "is-failed", "ferryman"); strings.TrimSpace(state) == "failed" {
			out, _ := l.try("journalctl", "-u", "ferryman")
			t.Fatalf("the service has failed:\n%s", out)
		}
		return false
	})
	metrics := l.run(t, "bash", "-euc", ask, "/metrics")
	build := regexp.MustCompile(`ferryman_build_info\{.*version="([^"]*)"`).FindStringSubmatch(metrics)
	if build == nil || !strings.HasPrefix(build[1], version+"-snapshot.") {
		t.Errorf("there runs %q, want %s", build, version)
	}
}

// files have the owners and modes that keep secrets.
func (l life) files(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/ferryman":                    "root:root 755",
		"/etc/ferryman":                        "root:ferryman 750",
		"/etc/ferryman/.env":                   "root:ferryman 640",
		"/etc/ferryman/campaigns.yaml":         "root:ferryman 640",
		"/var/lib/ferryman":                    "ferryman:ferryman 750",
		"/var/lib/ferryman/ferryman.db":        "ferryman:ferryman 600",
		"/usr/share/doc/ferryman/copyright":    "root:root 644",
		"/usr/share/man/man1/ferryman.1.gz":    "root:root 644",
		"/lib/systemd/system/ferryman.service": "root:root 644",
	} {
		if got := l.run(t, "stat", "-c", "%U:%G %a", path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	for _, name := range []string{"dbsync2", "dbsync"} {
		if to := l.run(t, "readlink", "-f", "/usr/bin/"+name); to != "/usr/bin/ferryman" {
			t.Errorf("%s is %s", name, to)
		}
	}
	if user := l.run(t, "getent", "passwd", "ferryman"); !strings.HasSuffix(user, ":/var/lib/ferryman:/usr/sbin/nologin") {
		t.Errorf("the user is %s", user)
	}
	if licences := l.shell(t, "zcat /usr/share/doc/ferryman/THIRD_PARTY_LICENSES.gz"); !strings.Contains(licences, "Mozilla Public License") {
		t.Error("the licences of what is linked in are missing")
	}
}

// asUser runs a command as documents say: as the service's user, in its folder.
func (l life) asUser(t *testing.T, args ...string) string {
	t.Helper()
	return l.run(t, append([]string{"runuser", "--user", "ferryman", "--", "env", "--chdir=/etc/ferryman"}, args...)...)
}

func (l life) commands(t *testing.T) {
	if out := l.run(t, "ferryman", "version"); !strings.Contains(out, "ferryman 1.0.1-snapshot.") {
		t.Errorf("the version is %s", out)
	}
	for _, name := range []string{"dbsync2", "dbsync"} {
		if out := l.run(t, name, "--help"); !strings.HasPrefix(out, name+" brings the contacts") {
			t.Errorf("%s --help prints\n%s", name, out)
		}
	}
	if out := l.asUser(t, "ferryman", "config", "show"); !strings.Contains(out, ".env line ") {
		t.Errorf("the settings of the service are not in force:\n%s", out)
	}
	l.asUser(t, "ferryman", "app", "add", "shop")
	l.asUser(t, "ferryman", "health")
}

// encryption does what the operator's page says of TLS: the service speaks it, and both its
// own user and one of a cron know it.
func (l life) encryption(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "### TLS\n")
	section, _, _ = strings.Cut(section, "\n### ")
	made := regexp.MustCompile(`(?m)^(install -d|chmod|chgrp) .*`).FindAllString(section, -1)
	settings := regexp.MustCompile("(?s)```ini\n(.*?)```").FindStringSubmatch(section)
	if len(made) != 4 || settings == nil {
		t.Fatalf("the page has %q and %q", made, settings)
	}
	cert, key := certtest.NewAuthority(t).Issue(t, t.TempDir(), time.Now().Add(time.Hour), "ferryman.example.com") // the machine has no openssl
	l.shell(t, "umask 077; "+made[0]+"; cp /etc/ferryman/.env /root/env; printf '\n"+strings.ReplaceAll(settings[1], "\n", `\n`)+"' >>/etc/ferryman/.env")
	for name, file := range map[string]string{"fullchain.pem": cert, "privkey.pem": key} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l.shell(t, "umask 077; echo '"+string(text)+"' >/etc/ssl/ferryman/"+name)
	}
	l.shell(t, strings.Join(made[1:], "; ")+"; systemctl stop ferryman")
	// Beyond loopback it wants a key.
	ping := strings.Fields(l.asUser(t, "ferryman", "key", "create", "--app", "shop"))
	l.shell(t, "systemctl start ferryman")
	testwait.Until(t, "the service speaks TLS", func() bool {
		_, err := l.try("runuser", "--user", "ferryman", "--", "env", "--chdir=/etc/ferryman", "ferryman", "health")
		return err == nil
	})
	exec := "cd /; FERRYMAN_API_KEY=" + ping[len(ping)-1] + " FERRYMAN_URL=https://127.0.0.1:8443 FERRYMAN_TLS_CERT_FILE=/etc/ssl/ferryman/fullchain.pem FERRYMAN_SPOOL_DIR=/tmp/spool " +
		"ferryman cron exec --if-unreachable fail nightly -- echo done"
	l.asUser(t, "ferryman", "cron", "add", "--app", "shop", "nightly")
	if out := l.run(t, "runuser", "--user", "nobody", "--", "bash", "-euc", exec); !strings.HasSuffix(out, "done") {
		t.Errorf("a cron of another user hears %s", out)
	}
	if out, err := l.try("runuser", "--user", "nobody", "--", "cat", "/etc/ssl/ferryman/privkey.pem"); err == nil {
		t.Errorf("everybody reads the key: %d bytes", len(out))
	}
	l.shell(t, "cp /root/env /etc/ferryman/.env; rm -r /root/env /etc/ssl/ferryman; systemctl restart ferryman")
	l.serves(t, "8080", "1.0.1")
}

// manual looks whether each page can be read.
func (l life) manual(t *testing.T) {
	pages := strings.Fields(l.shell(t, "ls /usr/share/man/man1 | grep -E '^(ferryman|dbsync)'"))
	if len(pages) < 60 {
		t.Errorf("only %d pages", len(pages))
	}
	lint := `for page in /usr/share/man/man1/{ferryman,dbsync}*.gz; do zcat "$page" | mandoc -T lint -W warning || echo "in $page"; done`
	if complaints := l.shell(t, lint); complaints != "" {
		t.Errorf("mandoc complains:\n%s", complaints)
	}
	if page := l.shell(t, "zcat /usr/share/man/man1/ferryman-push-send.1.gz | mandoc -T ascii"); !strings.Contains(page, "jq -c 'select(.message).message' rejects.jsonl") {
		t.Errorf("the page reads\n%s", page)
	}
}

func (l life) completions(t *testing.T) {
	l.run(t, "bash", "-n", "/usr/share/bash-completion/completions/ferryman")
	for _, file := range []string{"/usr/share/zsh/vendor-completions/_ferryman", "/usr/share/fish/vendor_completions.d/ferryman.fish"} {
		l.run(t, "grep", "--quiet", "__complete", file)
	}
}

// upgrade keeps what an administrator has changed, and the data, and restarts the
// service.
func (l life) upgrade(t *testing.T) {
	l.shell(t, `echo FERRYMAN_LISTEN=127.0.0.1:9090 >>/etc/ferryman/.env; echo secret >/etc/ferryman/token`)
	before := l.run(t, "systemctl", "show", "-P", "MainPID", "ferryman")
	l.run(t, "dpkg", "--install", "/host/newer.deb")
	l.serves(t, "9090", "1.1.1")
	if after := l.run(t, "systemctl", "show", "-P", "MainPID", "ferryman"); after == before {
		t.Error("the service was not restarted")
	}
	if got := l.run(t, "stat", "-c", "%U:%G %a", "/etc/ferryman/.env"); got != "root:ferryman 640" {
		t.Errorf("the settings are %s now", got)
	}
	if apps := l.asUser(t, "ferryman", "app", "list"); !strings.Contains(apps, "shop") {
		t.Errorf("the data are gone:\n%s", apps)
	}
}

// upgradeSwitchedOff leaves a service off that an administrator has switched off.
func (l life) upgradeSwitchedOff(t *testing.T) {
	l.run(t, "systemctl", "disable", "--now", "ferryman")
	l.run(t, "dpkg", "--install", "/host/newer.deb")
	for _, question := range []string{"is-enabled", "is-active"} {
		if state, err := l.try("systemctl", question, "ferryman"); err == nil {
			t.Errorf("%s: %s", question, state)
		}
	}
	l.run(t, "systemctl", "enable", "--now", "ferryman")
	l.serves(t, "9090", "1.1.1")
}

// remove ends the service and keeps settings and data.
func (l life) remove(t *testing.T) {
	l.run(t, "dpkg", "--remove", "ferryman")
	if left := l.run(t, "find", "/proc", "-ignore_readdir_race", "-maxdepth", "1", "-user", "ferryman"); left != "" {
		t.Errorf("there still runs %s", left)
	}
	l.shell(t, `test ! -e /usr/bin/ferryman; test ! -e /usr/bin/dbsync2; test ! -e /lib/systemd/system/ferryman.service`)
	l.shell(t, `grep -q 9090 /etc/ferryman/.env; test -s /var/lib/ferryman/ferryman.db; test -s /var/lib/ferryman/ferryman.db.secret`)
}

// installAgain takes up what a removal has left.
func (l life) installAgain(t *testing.T) {
	l.run(t, "dpkg", "--install", "/host/newer.deb")
	l.serves(t, "9090", "1.1.1")
	if apps := l.asUser(t, "ferryman", "app", "list"); !strings.Contains(apps, "shop") {
		t.Errorf("the data are gone:\n%s", apps)
	}
}

// purge leaves nothing but the user, and what an administrator has put there.
func (l life) purge(t *testing.T) {
	l.run(t, "dpkg", "--purge", "ferryman")
	if left := l.shell(t, `find / -xdev -name '*ferryman*' -o -path '/etc/ferryman/*' -o -name 'dbsync*'`); left != "/etc/ferryman\n/etc/ferryman/token" {
		t.Errorf("there is left\n%s", left)
	}
	l.run(t, "getent", "passwd", "ferryman")
}
