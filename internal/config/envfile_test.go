package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ferryman/internal/config"
)

func TestNamedEnvFile(t *testing.T) {
	in := input(t)
	write(t, in.Dir, ".env", "API_USER=implicit")
	write(t, in.Dir, "exported.env", "API_USER=exported")
	write(t, in.Dir, "flag.env", "API_USER=flag\nFERRYMAN_ENV_FILE=other.env")

	c, _ := load(t, in)
	if s := shown(t, c, "FERRYMAN_ENV_FILE"); c.Warehouse.User != "implicit" || s.Value != filepath.Join(in.Dir, ".env") || s.Origin != config.FromDefault {
		t.Errorf("user %s from %+v", c.Warehouse.User, s)
	}
	in.Environ = append(in.Environ, "FERRYMAN_ENV_FILE=exported.env")
	if c, _ = load(t, in); c.Warehouse.User != "exported" || shown(t, c, "API_USER").Detail != "exported.env line 1" {
		t.Errorf("user %s from %+v", c.Warehouse.User, shown(t, c, "API_USER"))
	}
	c, warnings := load(t, withFlags(t, in, "--env-file=flag.env"))
	if c.Warehouse.User != "flag" {
		t.Errorf("user %s", c.Warehouse.User)
	}
	if !warns(warnings, "FERRYMAN_ENV_FILE", "no effect in the file itself (flag.env line 2)") {
		t.Errorf("warns %v", warnings)
	}
	if c, _ = load(t, withFlags(t, in, "--env-file="+os.DevNull)); c.Warehouse.User != "" {
		t.Errorf("user %s although no file was wanted", c.Warehouse.User)
	}
}

func TestEnvFileErrors(t *testing.T) {
	in := input(t)
	write(t, in.Dir, "large.env", strings.Repeat("#", 2<<20))
	for name, want := range map[string]string{"missing.env": "no such file", ".": "is a directory", "large.env": "larger than"} {
		_, _, err := config.Load(withFlags(t, in, "--env-file", name))
		if err == nil || !strings.Contains(err.Error(), "FERRYMAN_ENV_FILE (--env-file), from flag: the file ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

func TestEnvFileThatCannotBeFoundOut(t *testing.T) {
	in := input(t)
	if err := os.Symlink(".env", filepath.Join(in.Dir, ".env")); err != nil { // turns in a circle
		t.Fatal(err)
	}
	_, _, err := config.Load(in)
	if err == nil || !strings.Contains(err.Error(), "from default: the file .env cannot be read: ") {
		t.Errorf("got %v", err)
	}
}

func TestFolderCalledEnvIsIgnored(t *testing.T) {
	in := input(t)
	if err := os.Mkdir(filepath.Join(in.Dir, ".env"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, _ := load(t, in)
	if s := shown(t, c, "FERRYMAN_ENV_FILE"); s.Value != "" {
		t.Errorf("shows %+v", s)
	}
}

// Values of other programs in the same file are none of our business.
func TestEnvFileLeavesTheEnvironmentAlone(t *testing.T) {
	in := input(t, "API_USER=exported")
	write(t, in.Dir, ".env", "CONFIG_TEST_ONLY=1\nAPI_USER=\nHOME=/elsewhere\n")
	c, warnings := load(t, in)
	if _, set := os.LookupEnv("CONFIG_TEST_ONLY"); set {
		t.Error("the process's environment was written")
	}
	if c.Warehouse.User != "exported" || c.Store.StateDir != "/home/ann/.local/state/ferryman" {
		t.Errorf("user %q, state in %s", c.Warehouse.User, c.Store.StateDir)
	}
	if len(warnings) != 1 || warnings[0].Name != "API_USER" { // has no password
		t.Errorf("warns %v", warnings)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		file    string
		about   string
		want    string // "" is no warning at all
	}{
		{"misspelt in file", nil, "A=1\nFERRYMAN_LISEN=hunter2", "FERRYMAN_LISEN", "no such setting (.env line 2); did you mean FERRYMAN_LISTEN?"},
		{"misspelt in environment", []string{"FERRYMAN_LITSEN=hunter2"}, "", "FERRYMAN_LITSEN", "no such setting (environment); did you mean FERRYMAN_LISTEN?"},
		{"lower case", nil, "api_token=hunter2", "api_token", "did you mean API_TOKEN?"},
		{"one letter too many", nil, "API_PASSWORDS=hunter2", "API_PASSWORDS", "did you mean API_PASSWORD?"},
		{"swapped letters", nil, "INTERVAL_SCHEUDLER_SECOND=1", "INTERVAL_SCHEUDLER_SECOND", "did you mean INTERVAL_SCHEDULER_SECONDS?"},
		{"unknown with our prefix", []string{"FERRYMAN_COLOUR=hunter2"}, "", "FERRYMAN_COLOUR", "no such setting (environment)"},
		{"other programs' names", []string{"API_URL=x", "DATABASE_URL=x", "FERRY=x", "API_KEY=x", "API_SUPER=x"}, "API_HOST=x\nPOSTGRES_PASSWORD=x", "", ""},
		{"test databases", []string{"FERRYMAN_TEST_X=x"}, "", "", ""},
		{"in a wrapped command", []string{"FERRYMAN_CRON=x", "FERRYMAN_EXECUTION_ID=1"}, "", "", ""},
		{"beside a Kubernetes service", []string{"KUBERNETES_SERVICE_HOST=x", "FERRYMAN_SERVICE_HOST=x", "FERRYMAN_PORT_80_TCP=x"}, "", "", ""},
		{"without Kubernetes", []string{"FERRYMAN_PORT=80"}, "", "FERRYMAN_PORT", "no such setting"},
		{"set twice", nil, "API_TOKEN=hunter2\nX=1\nX=1\nAPI_TOKEN=b", "API_TOKEN", "set twice in .env, on lines 1 and 4"},
		{"expansion", nil, "FERRYMAN_STATE_DIR=/x/${HOME}", "FERRYMAN_STATE_DIR", "taken as it stands (.env line 1)"},
		{"no expansion", nil, "FERRYMAN_STATE_DIR='/x/${HOME}'\nX=${HOME}", "", ""},
		{"user alone", []string{"API_USER=ann"}, "", "API_USER", "has no effect without API_PASSWORD"},
		{"password alone", []string{"API_PASSWORD=hunter2"}, "", "API_PASSWORD", "has no effect without API_USER"},
		{"user beside a token", []string{"API_USER=ann", "API_TOKEN=hunter2"}, "", "API_TOKEN", "wins over API_USER"},
		{"same file", []string{"WAREHOUSE_DATABASE_URL=sqlite:///x.db", "FERRYMAN_STORE_URL=sqlite:/x.db"}, "", "WAREHOUSE_DATABASE_URL", "same SQLite file"},
		{"same server", []string{"WAREHOUSE_DATABASE_URL=postgres://h/d", "FERRYMAN_STORE_URL=postgres://h/d"}, "", "", ""},
		{"unencrypted", []string{"API_BASE_URL=http://wms.example"}, "", "API_BASE_URL", "unencrypted"},
		{"key unencrypted", []string{"FERRYMAN_URL=http://ferry.example"}, "", "FERRYMAN_URL", "unencrypted"},
		{"unencrypted on loopback", []string{"API_BASE_URL=http://127.0.0.1:9"}, "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := input(t, tt.environ...)
			write(t, in.Dir, ".env", tt.file)
			_, warnings := load(t, in)
			if tt.want == "" && len(warnings) != 0 || tt.want != "" && (len(warnings) != 1 || !warns(warnings, tt.about, tt.want)) {
				t.Errorf("warns %v, want %s: %s", warnings, tt.about, tt.want)
			}
			for _, w := range warnings {
				if strings.Contains(w.String(), "hunter") {
					t.Errorf("%s quotes a value", w)
				}
			}
		})
	}
}

func warns(warnings []config.Warning, name, detail string) bool {
	return slices.ContainsFunc(warnings, func(w config.Warning) bool {
		return w.Name == name && strings.Contains(w.Detail, detail)
	})
}

// A file with secrets is its owner's alone, or its group's.
func TestOpenEnvFile(t *testing.T) {
	for _, test := range []struct {
		text   string
		mode   os.FileMode
		warned bool
	}{
		{"API_PASSWORD=secret", 0o644, true},
		{"WAREHOUSE_DATABASE_URL=postgres://u:secret@h/d", 0o604, true},
		{"API_PASSWORD=secret", 0o640, false},
		{"API_PASSWORD=secret", 0o600, false},
		{"API_USER=me\nWAREHOUSE_DATABASE_URL=postgres://u@h/d", 0o644, false},
		{"API_PASSWORD_FILE=password", 0o644, false},
		{"OTHER_PASSWORD=secret", 0o644, false},
	} {
		in := input(t)
		write(t, in.Dir, "password", "secret")
		write(t, in.Dir, ".env", test.text)
		if err := os.Chmod(filepath.Join(in.Dir, ".env"), test.mode); err != nil {
			t.Fatal(err)
		}
		_, warnings := load(t, in)
		if got := warns(warnings, "FERRYMAN_ENV_FILE", "chmod 600"); got != test.warned {
			t.Errorf("%s, mode %04o: %v", test.text, test.mode, warnings)
		}
	}
}

// So is a file that a setting names, if what it holds is a secret.
func TestOpenSecretFile(t *testing.T) {
	for _, test := range []struct {
		name, text string
		mode       os.FileMode
		warned     bool
	}{
		{"FERRYMAN_SECRET", strings.Repeat("s3cr3t", 8), 0o644, true},
		{"FERRYMAN_SECRET", strings.Repeat("s3cr3t", 8), 0o640, false},
		{"FERRYMAN_SECRET", strings.Repeat("s3cr3t", 8), 0o600, false},
		{"API_PASSWORD", "s3cr3t", 0o604, true},
		{"WAREHOUSE_DATABASE_URL", "postgres://u:s3cr3t@h/d", 0o644, true},
		{"WAREHOUSE_DATABASE_URL", "postgres://u@h/d", 0o644, false},
	} {
		in := input(t, test.name+"_FILE=s3cr3t-file", "API_USER=ann")
		write(t, in.Dir, "s3cr3t-file", test.text)
		if err := os.Chmod(filepath.Join(in.Dir, "s3cr3t-file"), test.mode); err != nil {
			t.Fatal(err)
		}
		_, warnings := load(t, in)
		if got := warns(warnings, test.name+"_FILE", "everybody on this machine may read the file"); got != test.warned {
			t.Errorf("%s, mode %04o: %v", test.name, test.mode, warnings)
		}
		for _, w := range warnings {
			if strings.Contains(w.String(), "s3cr3t") {
				t.Errorf("%s quotes a value", w)
			}
		}
	}
}
