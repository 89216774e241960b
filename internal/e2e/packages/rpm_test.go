package packages

import (
	"slices"
	"strings"
	"testing"
)

// rpm looks into the rpm.
func (l life) rpm(t *testing.T) {
	const query = "rpm -qp --nosignature "
	files := strings.Split(l.shell(t, query+`--qf '[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags}\n]' /host/newer.rpm`), "\n")
	for i, line := range files {
		files[i] = strings.TrimSpace(line)
	}
	for _, want := range []string{
		"/usr/bin/ferryman -rwxr-xr-x root:root",
		"/usr/bin/dbsync2 l--------- root:root",
		"/usr/bin/dbsync l--------- root:root",
		"/etc/ferryman drwxr-x--- root:ferryman",
		"/etc/ferryman/.env -rw-r----- root:ferryman cn",
		"/etc/ferryman/campaigns.yaml -rw-r----- root:ferryman cn",
		"/var/lib/ferryman drwxr-x--- ferryman:ferryman",
		"/usr/lib/systemd/system/ferryman.service -rw-r--r-- root:root",
		"/usr/share/man/man1/ferryman.1.gz -rw-r--r-- root:root",
		"/usr/share/man/man1/dbsync2.1.gz -rw-r--r-- root:root",
		"/usr/share/zsh/site-functions/_ferryman -rw-r--r-- root:root",
		"/usr/share/licenses/ferryman/LICENSE -rw-r--r-- root:root",
	} {
		if !slices.Contains(files, want) {
			t.Errorf("%s is missing in the rpm", want)
		}
	}
	if t.Failed() {
		t.Logf("it holds\n%s", strings.Join(files, "\n"))
	}
	scripts := l.shell(t, query+"--scripts /host/newer.rpm")
	for _, want := range []string{"preinstall", "useradd --system", "postinstall", "systemctl --no-reload preset", "preuninstall", "disable --now", "postuninstall", "try-restart"} {
		if !strings.Contains(scripts, want) {
			t.Errorf("%q is missing in the scripts\n%s", want, scripts)
		}
	}
	version := l.shell(t, `cd /tmp; rpm2cpio /host/newer.rpm | cpio --quiet --no-absolute-filenames -id '*/bin/ferryman'; usr/bin/ferryman version; rm -r usr`)
	if !strings.Contains(version, "ferryman 1.1.1-snapshot.") {
		t.Errorf("its program is %s", version)
	}
}

// rpmInstall installs the rpm where the deb has been. The system knows none of its
// packages as an rpm, so nobody looks after what it depends on.
func (l life) rpmInstall(t *testing.T) {
	l.shell(t, "rm -r /etc/ferryman; userdel ferryman")
	l.run(t, "rpm", "--install", "--nodeps", "/host/older.rpm")
	if out := l.run(t, "rpm", "--verify", "--nodeps", "ferryman"); strings.Contains(out, "ferryman") {
		t.Errorf("rpm misses something:\n%s", out)
	}
	if user := l.run(t, "getent", "passwd", "ferryman"); !strings.HasSuffix(user, ":/var/lib/ferryman:/sbin/nologin") {
		t.Errorf("the user is %s", user)
	}
	l.run(t, "systemctl", "start", "ferryman") // which is for an administrator to do
	l.serves(t, "8080", "1.0.1")
	l.asUser(t, "ferryman", "app", "add", "shop")
}

// rpmUpgrade keeps settings and data, and restarts the service.
func (l life) rpmUpgrade(t *testing.T) {
	l.shell(t, `echo FERRYMAN_LISTEN=127.0.0.1:9090 >>/etc/ferryman/.env`)
	l.run(t, "rpm", "--upgrade", "--nodeps", "/host/newer.rpm")
	l.serves(t, "9090", "1.1.1")
	if got := l.run(t, "stat", "-c", "%U:%G %a", "/etc/ferryman/.env"); got != "root:ferryman 640" {
		t.Errorf("the settings are %s now", got)
	}
	if apps := l.asUser(t, "ferryman", "app", "list"); !strings.Contains(apps, "shop") {
		t.Errorf("the data are gone:\n%s", apps)
	}
}

// rpmErase ends the service, and keeps the data and what was changed of the settings.
func (l life) rpmErase(t *testing.T) {
	l.run(t, "rpm", "--erase", "ferryman")
	if left := l.run(t, "find", "/proc", "-ignore_readdir_race", "-maxdepth", "1", "-user", "ferryman"); left != "" {
		t.Errorf("there still runs %s", left)
	}
	l.shell(t, `test ! -e /usr/bin/ferryman; test ! -e /usr/bin/dbsync2; test ! -e /usr/lib/systemd/system/ferryman.service`)
	l.shell(t, `grep -q 9090 /etc/ferryman/.env.rpmsave; test -s /var/lib/ferryman/ferryman.db; test -s /var/lib/ferryman/ferryman.db.secret`)
}
