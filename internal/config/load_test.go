package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"ferryman/internal/config"
	"ferryman/internal/fault"
)

// input is a machine with a home folder, one exported variable an argument, and
// nothing else.
func input(t *testing.T, environ ...string) config.Input {
	t.Helper()
	return config.Input{Environ: append(environ, "HOME=/home/ann"), Dir: t.TempDir(), UID: 1000}
}

func withFlags(t *testing.T, in config.Input, args ...string) config.Input {
	t.Helper()
	in.Flags = pflag.NewFlagSet("ferryman", pflag.ContinueOnError)
	config.AddFlags(in.Flags)
	if err := in.Flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return in
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, in config.Input) (config.Config, []config.Warning) {
	t.Helper()
	c, warnings, err := config.Load(in)
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}

func shown(t *testing.T, c config.Config, name string) config.Shown {
	t.Helper()
	all := c.Show()
	i := slices.IndexFunc(all, func(s config.Shown) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("%s is not shown", name)
	}
	return all[i]
}

// Every combination of places that can give a value, an empty one included.
func TestPrecedence(t *testing.T) {
	const absent, empty, blank = "absent", "", "  "
	places := []string{absent, empty, blank, "set"}
	for _, flag := range places {
		for _, file := range places {
			for _, exported := range places {
				t.Run(strings.Join([]string{"flag " + flag, "file " + file, "exported " + exported}, ", "), func(t *testing.T) {
					in := input(t)
					want, origin := "127.0.0.1:8080", config.FromDefault
					if exported != absent {
						v := strings.Replace(exported, "set", "127.0.0.1:1", 1)
						in.Environ = append(in.Environ, "FERRYMAN_LISTEN="+v)
					}
					if exported == "set" {
						want, origin = "127.0.0.1:1", config.FromEnvironment
					}
					if file != absent {
						v := strings.Replace(file, "set", "127.0.0.1:2", 1)
						write(t, in.Dir, ".env", "FERRYMAN_LISTEN='"+v+"'\n")
					}
					if file == "set" {
						want, origin = "127.0.0.1:2", config.FromEnvFile
					}
					var args []string
					if flag != absent {
						v := strings.Replace(flag, "set", "127.0.0.1:3", 1)
						args = []string{"--listen", v}
					}
					if flag == "set" {
						want, origin = "127.0.0.1:3", config.FromFlag
					}
					c, warnings := load(t, withFlags(t, in, args...))
					s := shown(t, c, "FERRYMAN_LISTEN")
					if c.Server.Listen != want || s.Value != want || s.Origin != origin || len(warnings) != 0 {
						t.Errorf("listens on %s, shows %+v, warns %v; want %s from %s", c.Server.Listen, s, warnings, want, origin)
					}
				})
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	tests := []struct {
		name    string
		uid     int
		environ []string
		dir     string
	}{
		{"user", 1000, []string{"HOME=/home/ann"}, "/home/ann/.local/state/ferryman"},
		{"user with XDG", 1000, []string{"HOME=/home/ann", "XDG_STATE_HOME=/state"}, "/state/ferryman"},
		{"relative XDG is ignored", 1000, []string{"HOME=/home/ann", "XDG_STATE_HOME=state"}, "/home/ann/.local/state/ferryman"},
		{"root", 0, []string{"HOME=/root"}, "/var/lib/ferryman"},
		{"root without HOME", 0, nil, "/var/lib/ferryman"},
		{"root with XDG", 0, []string{"HOME=/root", "XDG_STATE_HOME=/state"}, "/state/ferryman"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, warnings := load(t, config.Input{Environ: tt.environ, Dir: t.TempDir(), UID: tt.uid})
			if len(warnings) != 0 {
				t.Errorf("warns %v", warnings)
			}
			if got := (config.Server{Listen: "127.0.0.1:8080", StopGrace: 10 * time.Second, KeyRate: 1000}); !reflect.DeepEqual(c.Server, got) {
				t.Errorf("server %+v", c.Server)
			}
			if c.Store.StateDir != tt.dir || c.Store.Synchronous != "FULL" || c.Store.URL.Reveal() != "sqlite://"+tt.dir+"/ferryman.db" {
				t.Errorf("store %+v, want it in %s", c.Store, tt.dir)
			}
			w := c.Warehouse
			if w.Database.File() != tt.dir+"/warehouse.db" || w.BaseURL != "https://show.pulpo.co/api/v1" || !w.Token.Empty() || w.User != "" || !w.Password.Empty() {
				t.Errorf("warehouse %+v", w)
			}
			if w.RetryToken != 10*time.Second || w.Interval != time.Minute || w.Timeout != 30*time.Second || w.MaxAnswer != 16<<20 {
				t.Errorf("warehouse %+v", w)
			}
			if want := (config.Outbox{Concurrency: 64, Timeout: 30 * time.Second, Keep: 30 * 24 * time.Hour}); !reflect.DeepEqual(c.Outbox, want) {
				t.Errorf("outbox %+v", c.Outbox)
			}
			want := config.Push{
				Attempts: 8,
				Telegram: config.Telegram{Messenger: config.Messenger{BaseURL: "https://api.telegram.org", Rate: "30/s", RecipientRate: "1/s"}},
				Viber:    config.Viber{Messenger: config.Messenger{BaseURL: "https://chatapi.viber.com", Rate: "none", RecipientRate: "100/h"}, Sender: "Ferryman"},
				WhatsApp: config.WhatsApp{
					Messenger:  config.Messenger{BaseURL: "https://graph.facebook.com", Rate: "80/s", RecipientRate: "1/6s"},
					APIVersion: "v23.0",
				},
			}
			if !reflect.DeepEqual(c.Push, want) {
				t.Errorf("push %+v", c.Push)
			}
			if c.Log.Level != 0 || c.Log.JSON {
				t.Errorf("log %+v", c.Log)
			}
			for _, s := range c.Show() {
				if s.Origin != config.FromDefault {
					t.Errorf("%s comes from %s", s.Name, s.Origin)
				}
			}
		})
	}
}

func TestEverythingSet(t *testing.T) {
	in := withFlags(t, input(t,
		"API_BASE_URL=http://127.0.0.1:9/api/", "API_USER= ann ", "API_PASSWORD= pass　wörd ",
		"INTERVAL_RETRY_TOKEN_SECONDS=1", "INTERVAL_SCHEDULER_SECONDS=3600", "API_TIMEOUT_SECONDS=5", "API_MAX_ANSWER_BYTES=1024",
		"FERRYMAN_SQLITE_SYNCHRONOUS=normal", "FERRYMAN_STOP_GRACE_SECONDS=2",
		"FERRYMAN_KEY_RATE=0", "FERRYMAN_SECRET=0123456789abcdef0123456789abcdef",
		"FERRYMAN_SEND_CONCURRENCY=1", "FERRYMAN_SEND_TIMEOUT_SECONDS=2", "FERRYMAN_UNCERTAIN=Hold", "FERRYMAN_KEEP_ATTEMPTS_DAYS=3",
		"FERRYMAN_WEBHOOK_ALLOW_HOSTS=Hooks.example.com, 10.0.0.7:8443,[::1]:80,::1", "FERRYMAN_PUSH_ATTEMPTS=4",
		"TELEGRAM_TOKEN=5:t", "TELEGRAM_RATE=none", "TELEGRAM_RECIPIENT_RATE=20/min",
		"VIBER_TOKEN=v", "VIBER_SENDER=Жук", "VIBER_BASE_URL=http://127.0.0.1:9/", "WHATSAPP_TOKEN=w", "WHATSAPP_PHONE_NUMBER_ID=106",
		"WHATSAPP_API_VERSION=v1.2", "WHATSAPP_RATE=5/2s",
	), "--insecure-open", "--listen=:0", "--hosts= Ferry.example.com,::1 , ferry.example.com", "--state-dir=~/s", "--store=sqlite:a b/x.db", "--log-level=WARN", "--log-format=json",
		"--warehouse-database=mariadb://u:p@h/db")
	c, warnings := load(t, in)
	if len(warnings) != 0 {
		t.Errorf("warns %v", warnings)
	}
	if want := (config.Server{Listen: ":0", Hosts: []string{"ferry.example.com", "::1"}, InsecureOpen: true, StopGrace: 2 * time.Second}); !reflect.DeepEqual(c.Server, want) {
		t.Errorf("server %+v", c.Server)
	}
	if c.Store.Secret.Reveal() != "0123456789abcdef0123456789abcdef" {
		t.Error("the secret is another")
	}
	if c.Store.StateDir != "/home/ann/s" || c.Store.Synchronous != "NORMAL" || c.Store.URL.File() != filepath.Join(in.Dir, "a b/x.db") {
		t.Errorf("store %+v", c.Store)
	}
	w := c.Warehouse
	if w.BaseURL != "http://127.0.0.1:9/api" || w.User != "ann" || w.Password.Reveal() != " pass　wörd " || w.Database.Reveal() != "mariadb://u:p@h/db" {
		t.Errorf("warehouse %+v", w)
	}
	if w.RetryToken != time.Second || w.Interval != time.Hour || w.Timeout != 5*time.Second || w.MaxAnswer != 1024 {
		t.Errorf("warehouse %+v", w)
	}
	if want := (config.Outbox{
		Concurrency: 1, Timeout: 2 * time.Second, Hold: true, Keep: 3 * 24 * time.Hour,
		AllowHosts: []string{"hooks.example.com", "10.0.0.7:8443", "[::1]:80", "::1"},
	}); !reflect.DeepEqual(c.Outbox, want) {
		t.Errorf("outbox %+v", c.Outbox)
	}
	p := c.Push
	if p.Attempts != 4 || p.Telegram.Token.Reveal() != "5:t" || p.Telegram.Rate != "none" || p.Telegram.RecipientRate != "20/min" {
		t.Errorf("telegram %+v, %d attempts", p.Telegram, p.Attempts)
	}
	if p.Viber.Token.Reveal() != "v" || p.Viber.Sender != "Жук" || p.Viber.BaseURL != "http://127.0.0.1:9" {
		t.Errorf("viber %+v", p.Viber)
	}
	if p.WhatsApp.Token.Reveal() != "w" || p.WhatsApp.PhoneNumberID != "106" || p.WhatsApp.APIVersion != "v1.2" || p.WhatsApp.Rate != "5/2s" {
		t.Errorf("whatsapp %+v", p.WhatsApp)
	}
	if c.Log.Level.String() != "WARN" || !c.Log.JSON {
		t.Errorf("log %+v", c.Log)
	}
}

// As for os.Getenv and the C library.
func TestFirstOfRepeatedVariablesCounts(t *testing.T) {
	if c, _ := load(t, input(t, "FERRYMAN_LISTEN=:1", "FERRYMAN_LISTEN=:2")); c.Server.Listen != ":1" {
		t.Errorf("listens on %s", c.Server.Listen)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	in := input(t, "API_TIMEOUT_SECONDS=soon-hunter2", "API_TOKEN=hunter2 x", "API_TOKEN_FILE=hunter2", "FERRYMAN_STORE_URL=oracle://u:hunter2@h/d")
	write(t, in.Dir, ".env", "hunter2\nINTERVAL_SCHEDULER_SECONDS=0\n")
	c, _, err := config.Load(withFlags(t, in, "--listen", "hunter2:99999"))
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Unconfigured || f.Temporary() {
		t.Fatalf("got %v", err)
	}
	got := strings.Split(err.Error(), "\n  - ")
	want := []string{
		"6 wrong settings:",
		".env line 1: no = after the name; expected NAME=value",
		"FERRYMAN_LISTEN (--listen), from flag: its port is no number from 0 to 65535; expected host:port, such as 127.0.0.1:8080, [::1]:8080 or :8080",
		"FERRYMAN_STORE_URL or FERRYMAN_STORE_URL_FILE (--store), from environment: its scheme is none of sqlite, postgres, postgresql; expected sqlite:///path/file.db or postgres://user:password@host:5432/database",
		"API_TOKEN or API_TOKEN_FILE, from environment: API_TOKEN_FILE is set too, from environment; unset one of them",
		"INTERVAL_SCHEDULER_SECONDS, from .env line 2: it is out of range; expected a whole number of seconds from 1 to 31536000",
		"API_TIMEOUT_SECONDS, from environment: it is no whole number; expected a whole number of seconds from 1 to 86400",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if s := shown(t, c, "INTERVAL_SCHEDULER_SECONDS"); s.Value != "(invalid)" || s.Origin != config.FromEnvFile || s.Detail != ".env line 2" {
		t.Errorf("shows %+v", s)
	}
}

func TestNoStateFolder(t *testing.T) {
	_, _, err := config.Load(config.Input{Dir: t.TempDir(), UID: 1000})
	const want = "wrong setting: FERRYMAN_STATE_DIR (--state-dir), from default: neither XDG_STATE_HOME nor HOME names a folder to put it in; set one of the three"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want only %s", err, want)
	}
}

// A command that needs only some settings does not stumble over the others, and
// of those that it needs it may use the ones that are right.
func TestSections(t *testing.T) {
	in := input(t, "FERRYMAN_LISTEN=nonsense", "FERRYMAN_LOG_LEVEL=nonsense", "FERRYMAN_STATE_DIR=/s", "FERRYMAN_API_KEY=fm_x")
	in.Sections = []config.Section{config.FileSection, config.StoreSection, config.ExecSection}
	c, warnings := load(t, in)
	if c.Exec.URL != "http://127.0.0.1:8080" || c.Exec.Key.Reveal() != "fm_x" || c.Exec.SpoolDir != "/s/spool" || len(warnings) != 0 {
		t.Errorf("got %+v, warnings %v", c.Exec, warnings)
	}
	in.Environ = append(in.Environ, "FERRYMAN_URL=nonsense")
	c, _, err := config.Load(in)
	if err == nil || !strings.HasPrefix(err.Error(), "wrong setting: FERRYMAN_URL") || c.Exec.URL != "" || c.Exec.Key.Empty() {
		t.Errorf("got %+v, %v", c.Exec, err)
	}
}

func TestInvalidValues(t *testing.T) {
	tests := map[string][]string{
		"FERRYMAN_LISTEN":              {"8080", "localhost", "a b:1", "h:-1", "h:65536", "h:http", "[::1:80", "h:1:2", "http://h:80"},
		"FERRYMAN_HOSTS":               {"a:80", "a,,b", ",", "a b", "http://a", "*.a", "[::1]", "a/b", "x\x00", strings.Repeat("a", 254), manyHosts()},
		"FERRYMAN_INSECURE_OPEN":       {"yes please", "2"},
		"FERRYMAN_STATE_DIR":           {"/a\nb"},
		"FERRYMAN_SQLITE_SYNCHRONOUS":  {"OFF", "0"},
		"INTERVAL_RETRY_TOKEN_SECONDS": {"0", "-1", "1.5", "10s", "ten", "1e3", "86401", "99999999999999999999", "1 0", "٣"},
		"INTERVAL_SCHEDULER_SECONDS":   {"0", "-60", "60.0", "x", "31536001"},
		"API_MAX_ANSWER_BYTES":         {"16MiB", "1023", "1073741825"},
		"FERRYMAN_KEY_RATE":            {"-1", "1000001", "fast"},
		"FERRYMAN_SECRET":              {strings.Repeat("x", 31), strings.Repeat("x", 32) + "\nx", strings.Repeat("\xff", 32)},
		"FERRYMAN_SEND_CONCURRENCY":    {"0", "4097", "many"},
		"FERRYMAN_UNCERTAIN":           {"retry", "yes"},
		"FERRYMAN_KEEP_ATTEMPTS_DAYS":  {"0", "36501", "30d"},
		"FERRYMAN_WEBHOOK_ALLOW_HOSTS": {"http://h", "h/x", "*.h", "h:x", "h:99999", "a,,b", ":80", manyHosts()},
		"FERRYMAN_PUSH_ATTEMPTS":       {"0", "101"},
		"TELEGRAM_RATE":                {"30", "0/s", "30/", "30/w", "30 / s", "1.5/s", "-1/s", "1000000/s", "1/0s", "None"},
		"VIBER_SENDER":                 {strings.Repeat("ж", 29), "a\nb"},
		"WHATSAPP_PHONE_NUMBER_ID":     {"+49", "1 2", "x"},
		"WHATSAPP_API_VERSION":         {"23", "v23", "v23.0/x"},
		"FERRYMAN_LOG_LEVEL":           {"trace"},
		"FERRYMAN_LOG_FORMAT":          {"xml"},
		"FERRYMAN_URL":                 {"127.0.0.1:8080", "http://", "http://h?x=1", "unix:///run/x"},
		"FERRYMAN_API_KEY":             {"fm_a b", "kéy"},
		"FERRYMAN_SPOOL_DIR":           {"/a\nb"},
		"API_TOKEN":                    {"Bearer abc", "a\tb", "töken"},
		"API_USER":                     {"a\nb", "a\xff"},
		"API_PASSWORD":                 {"a\nb", "a\x00b", "a\xff"},
		"API_BASE_URL":                 {"show.pulpo.co", "ftp://h/x", "https:///x", "https://h:/x", "https://h:99999", "https://a,b/x", "https://u:p@h", "https://h/?a=b", "https://h/#x", "https://h/\x7f", "://"},
		"FERRYMAN_STORE_URL": {
			"/var/lib/ferryman.db", "ferryman.db", "file:/x.db", "mysql://u:p@h/db", "sqlite://", "sqlite:", "sqlite:///dir/", "sqlite://dir/x.db",
			"sqlite::memory:", "sqlite:///x.db?mode=ro", "sqlite:///x%zz.db", "sqlite:///x%00.db", "postgres:h/db", "postgres://u:pa#ss@h/db",
			"postgres://u:12/ss@h/db", "postgres://u:12?ss@h/db", "postgres://u:p%zz@h/db", "postgres://u:12#ss@h/db", "postgres://u:pass:", "postgres://h:/db", "postgres://h:65536/db", "postgres://[zz]/db", "postgres://h:port/db", "host=h user=u", "://",
		},
		"WAREHOUSE_DATABASE_URL": {"u:p@tcp(h:3306)/db", "mysql://u:p@tcp(h:3306)/db", "mysql://u:p@h", "mysql:///db", "sqlserver://h/db"},
	}
	for name, values := range tests {
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) {
				c, _, err := config.Load(input(t, name+"="+value))
				if err == nil || !strings.HasPrefix(err.Error(), "wrong setting: "+name) {
					t.Fatalf("got %v", err)
				}
				if s := shown(t, c, name); s.Value != "(invalid)" || s.Origin != config.FromEnvironment {
					t.Errorf("shows %+v", s)
				}
			})
		}
	}
}

func manyHosts() string {
	names := make([]string, 101)
	for i := range names {
		names[i] = "h" + strconv.Itoa(i)
	}
	return strings.Join(names, ",")
}

func TestSecretFiles(t *testing.T) {
	in := input(t, "API_TOKEN_FILE=token", "API_USER=ann", "WAREHOUSE_DATABASE_URL_FILE=~/url", "FERRYMAN_STORE_URL_FILE=missing")
	in.Environ = slices.DeleteFunc(in.Environ, func(e string) bool { return strings.HasPrefix(e, "HOME=") })
	in.Environ = append(in.Environ, "HOME="+in.Dir)
	write(t, in.Dir, "token", " tok\r\n")
	write(t, in.Dir, "password", " pass word \n")
	write(t, in.Dir, "url", "postgres://u:p@h/db\n")
	write(t, in.Dir, ".env", "API_PASSWORD_FILE=password\n")
	c, _ := load(t, withFlags(t, in, "--store", "sqlite:///x.db")) // a flag wins over the file
	w := c.Warehouse
	if w.Token.Reveal() != "tok" || w.Password.Reveal() != " pass word " || w.Database.Reveal() != "postgres://u:p@h/db" || c.Store.URL.File() != "/x.db" {
		t.Errorf("got %q %q %q %q", w.Token.Reveal(), w.Password.Reveal(), w.Database.Reveal(), c.Store.URL.Reveal())
	}
	if s := shown(t, c, "API_PASSWORD"); s.Origin != config.FromEnvFile || s.Detail != "API_PASSWORD_FILE, .env line 1" || s.Value != config.Mask {
		t.Errorf("shows %+v", s)
	}
}

func TestSecretFileErrors(t *testing.T) {
	for name, want := range map[string]string{
		"missing": "no such file", "empty": "the file is empty", "large": "larger than", ".": "is a directory", "~/x": "HOME names no folder",
	} {
		t.Run(name, func(t *testing.T) {
			in := config.Input{Environ: []string{"API_TOKEN_FILE=" + name}, Dir: t.TempDir()}
			write(t, in.Dir, "empty", "\n")
			write(t, in.Dir, "large", strings.Repeat("x", 1<<17))
			_, _, err := config.Load(in)
			if err == nil || !strings.Contains(err.Error(), "API_TOKEN_FILE: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// The stronger place wins whichever of the two forms it uses.
func TestPrecedenceOfFileForms(t *testing.T) {
	const both = "API_PASSWORD_FILE is set too"
	for _, tt := range []struct {
		name, dotenv string
		environ      []string
		want         string // the password, or the error
	}{
		{"value in .env, file exported", "API_PASSWORD=x", []string{"API_PASSWORD_FILE=/missing"}, "x"},
		{"file in .env, value exported", "API_PASSWORD_FILE=password", []string{"API_PASSWORD=y"}, "read"},
		{"file in both", "API_PASSWORD_FILE=password", []string{"API_PASSWORD_FILE=/missing"}, "read"},
		{"empty in .env", "API_PASSWORD=\nAPI_PASSWORD_FILE=", []string{"API_PASSWORD=y"}, "y"},
		{"both in .env", "API_PASSWORD=x\nAPI_PASSWORD_FILE=password", []string{"API_PASSWORD=y"}, both},
		{"both exported", "", []string{"API_PASSWORD=y", "API_PASSWORD_FILE=password"}, both},
		{"both exported, one in .env", "API_PASSWORD=x", []string{"API_PASSWORD=y", "API_PASSWORD_FILE=password"}, "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(t, append(tt.environ, "API_USER=ann")...)
			write(t, in.Dir, "password", "read\n")
			write(t, in.Dir, ".env", tt.dotenv)
			c, _, err := config.Load(in)
			switch {
			case tt.want == both && (err == nil || !strings.Contains(err.Error(), both)):
				t.Errorf("got %v", err)
			case tt.want != both && (err != nil || c.Warehouse.Password.Reveal() != tt.want):
				t.Errorf("got %q, %v, want %q", c.Warehouse.Password.Reveal(), err, tt.want)
			}
		})
	}
}

func TestIgnoredSettings(t *testing.T) {
	in := input(t, "FERRYMAN_STORE_URL=nonsense", "API_USER=ann", "WAREHOUSE_DATABASE_URL=nonsense")
	in.Ignore = []string{"FERRYMAN_STORE_URL", "API_USER", "API_TOKEN", "WAREHOUSE_DATABASE_URL"}
	write(t, in.Dir, ".env", "API_TOKEN_FILE=/missing\nFERRYMAN_LISTEN=:1\n")
	c, warnings := load(t, withFlags(t, in, "--store=sqlite:///x.db"))
	if c.Store.URL.File() != "/x.db" || c.Warehouse.Database.File() != c.Store.StateDir+"/warehouse.db" || c.Warehouse.User != "" || c.Server.Listen != ":1" || len(warnings) != 0 {
		t.Errorf("got %+v, warns %v", c, warnings)
	}
}

// Nobody writes to this pipe: reading it would last for ever.
func TestPipes(t *testing.T) {
	in := input(t)
	if err := syscall.Mkfifo(filepath.Join(in.Dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "the file is neither a regular file nor a character device"
	if _, _, err := config.Load(withFlags(t, in, "--env-file=pipe")); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	in.Environ = append(in.Environ, "API_TOKEN_FILE=pipe")
	if _, _, err := config.Load(in); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

// As with --env-file <(decrypt secrets.env).
func TestPipeThatIsHandedOver(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		_, _ = w.WriteString("API_TOKEN=hunter2\n")
		_ = w.Close()
	}()
	c, _ := load(t, withFlags(t, input(t), fmt.Sprintf("--env-file=/dev/fd/%d", r.Fd())))
	if c.Warehouse.Token.Reveal() != "hunter2" {
		t.Errorf("got %q", c.Warehouse.Token.Reveal())
	}
}
