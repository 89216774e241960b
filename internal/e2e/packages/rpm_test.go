package packages

import (
	"slices"
	"strings"
	"testing"
)

// rpm looks into the rpm. It is not installed: there is no system here that takes one.
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
