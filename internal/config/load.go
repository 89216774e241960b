package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"ferryman/internal/config/dotenv"
	"ferryman/internal/fault"
)

// Input is what Load reads. Tests make their own; Process is the real one.
type Input struct {
	Environ []string       // NAME=value, as os.Environ gives them
	Dir     string         // absolute; relative paths start here, and .env is looked for here
	UID     int            // 0 is root
	Flags   *pflag.FlagSet // nil for none; flags that were not given do not count
	Ignore  []string       // settings that neither .env nor the environment may give

	// Sections are those whose settings count; nil for all. A row that depends on
	// another section's needs that one too.
	Sections []Section

	// OneCampaign says that one campaign of the file is wanted: what is wrong with others
	// does not matter, and stands in Config.Refused.
	OneCampaign bool
}

// Process is the input of the running process.
func Process(flags *pflag.FlagSet) (Input, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Input{}, fmt.Errorf("find the working directory: %w", err)
	}
	return Input{Environ: os.Environ(), Dir: dir, UID: os.Getuid(), Flags: flags}, nil
}

// Load reads and checks all settings. It creates nothing. The error is a
// *fault.Error of kind Unconfigured that tells every problem at once. The Config
// beside it may be shown; what is wrong or missing in it is zero.
func Load(in Input) (Config, []Warning, error) {
	l := in.loader()
	rows := l.table()
	l.known = knownNames(rows)
	for _, s := range selected(rows, in.Sections) {
		l.config.shown = append(l.config.shown, l.load(s))
	}
	l.checkTLS()
	l.checkTraces()
	l.warnUnknown()
	l.warnDoubtful()
	l.warnOpenEnvFile()
	return l.config, l.warnings, l.err()
}

func (in Input) loader() *loader {
	l := &loader{Input: in, environ: make(map[string]string, len(in.Environ))}
	for _, entry := range in.Environ {
		name, value, _ := strings.Cut(entry, "=")
		if _, again := l.environ[name]; !again { // the first counts, as for os.Getenv
			l.environ[name] = value
		}
	}
	return l
}

type loader struct {
	Input
	config  Config
	environ map[string]string
	known   map[string]bool // the variables of all settings
	envFile string          // its path as it was named; "" without one
	dotenv  map[string]dotenv.Assignment
	// secretInEnvFile says that a setting that counts has its secret there.
	secretInEnvFile bool
	warnings        []Warning
	problems        []string
	traces          []string // likewise, of the settings of traces: see checkTraces
}

// value is a text and where it came from.
type value struct {
	text   string
	origin Origin
	detail string // Shown.Detail
}

func (v value) from() string {
	if v.detail != "" {
		return v.detail
	}
	return string(v.origin)
}

// load fills the field of s and tells how to show it.
func (l *loader) load(s setting) Shown {
	v, err := l.find(s)
	shown := Shown{Section: s.section, Name: s.name, Origin: v.origin, Detail: v.detail, Secret: s.secret, Default: s.deflt, Help: s.help}
	if err == nil && v.text != "" {
		if shown.Value, err = s.parse(v.text); err != nil {
			err = fmt.Errorf("%w; expected %s", err, s.expect)
		}
	}
	if err != nil {
		shown.Value = invalid
		problem := fmt.Sprintf("%s, from %s: %v", s.label(), v.from(), err)
		if s.section == TracesSection {
			l.traces = append(l.traces, problem)
		} else {
			l.problem("%s", problem)
		}
	}
	return shown
}

// find looks for s in the order of precedence.
func (l *loader) find(s setting) (value, error) {
	if l.Flags != nil && s.flag != "" {
		if f := l.Flags.Lookup(s.flag); f != nil && f.Changed {
			if text := s.trim(f.Value.String()); text != "" {
				return value{text: text, origin: FromFlag}, nil
			}
		}
	}
	if !slices.Contains(l.Ignore, s.name) {
		for _, read := range []func(setting, string) value{l.fromDotenv, l.fromEnvironment} {
			direct, file := read(s, s.name), value{}
			if s.inFile {
				file = read(s, s.name+fileSuffix)
			}
			switch {
			case direct.text != "" && file.text != "":
				return direct, fmt.Errorf("%s%s is set too, from %s; unset one of them", s.name, fileSuffix, file.from())
			case direct.text != "":
				l.secretInEnvFile = l.secretInEnvFile || direct.origin == FromEnvFile && (s.secret || holdsPassword(direct.text))
				return direct, nil
			case file.text != "":
				return l.fromFile(s, file)
			}
		}
	}
	v := value{text: s.deflt, origin: FromDefault}
	var err error
	if s.derive != nil {
		v.text, err = s.derive()
	}
	return v, err
}

func (l *loader) fromDotenv(s setting, name string) value {
	a := l.dotenv[name]
	if text := s.trim(a.Value); text != "" {
		return value{text: text, origin: FromEnvFile, detail: l.line(a.Line)}
	}
	return value{}
}

func (l *loader) fromEnvironment(s setting, name string) value {
	if text := s.trim(l.environ[name]); text != "" {
		return value{text: text, origin: FromEnvironment}
	}
	return value{}
}

func (s setting) trim(text string) string {
	if s.verbatim {
		return text
	}
	return strings.TrimSpace(text)
}

// stateDir is the default of the state folder.
func (l *loader) stateDir() (string, error) {
	// The specification of XDG has relative paths ignored.
	if dir := l.environ["XDG_STATE_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "ferryman"), nil
	}
	if l.UID == 0 {
		return "/var/lib/ferryman", nil
	}
	if home := l.environ["HOME"]; filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "ferryman"), nil
	}
	return "", errors.New("neither XDG_STATE_HOME nor HOME names a folder to put it in; set one of the three")
}

// inStateDir is the URL of a SQLite file there, "" if the folder is not known.
func (l *loader) inStateDir(file string) func() (string, error) {
	return func() (string, error) {
		dir := l.config.Store.StateDir
		if dir == "" {
			return "", nil
		}
		return SQLiteURL(filepath.Join(dir, file)), nil
	}
}

// spoolDir is there as well, "" if the folder is not known.
func (l *loader) spoolDir() (string, error) {
	dir := l.config.Store.StateDir
	if dir == "" {
		return "", nil
	}
	return filepath.Join(dir, "spool"), nil
}

func (l *loader) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

func (l *loader) warn(name, format string, args ...any) {
	l.warnings = append(l.warnings, Warning{Name: name, Detail: fmt.Sprintf(format, args...)})
}

func (l *loader) err() error {
	var detail string
	switch n := len(l.problems); n {
	case 0:
		return nil
	case 1:
		detail = "wrong setting: " + l.problems[0]
	default:
		detail = fmt.Sprintf("%d wrong settings:\n  - %s", n, strings.Join(l.problems, "\n  - "))
	}
	return &fault.Error{Kind: fault.Unconfigured, Code: "wrong_settings", Detail: detail}
}
