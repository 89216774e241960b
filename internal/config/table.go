package config

import "strings"

// Section groups settings.
type Section string

// The sections, in the order of the documentation.
const (
	FileSection      Section = "Settings file"
	ServerSection    Section = "Server"
	StoreSection     Section = "Own state"
	WarehouseSection Section = "Warehouse sync"
	ExecSection      Section = "Wrapped commands"
	LogSection       Section = "Log"
)

// setting is one row of the table.
type setting struct {
	name    string // of the environment variable
	flag    string // "" where there is none
	section Section
	help    string
	deflt   string // the default, or its description where derive makes it; "" is unset
	derive  func() (string, error)
	secret  bool // masked, and never a flag: every user of the machine can read those
	inFile  bool // name+fileSuffix may name a file that holds the value
	kind
}

const fileSuffix = "_FILE"

const (
	day  = 24 * 60 * 60
	year = 365 * day
)

// table lists every setting, bound to the fields of l.config. A row may depend
// on those above it.
func (l *loader) table() []setting {
	c := &l.config
	return []setting{
		{
			name: envFileName, flag: "env-file", section: FileSection,
			help: "file of NAME=value lines that win over exported variables", deflt: ".env in the working directory, if there is one",
			derive: l.findEnvFile,
			kind:   kind{expect: "the path of a file", metavar: "file", parse: l.readEnvFile},
		},
		{
			name: "FERRYMAN_LISTEN", flag: "listen", section: ServerSection,
			help: "address of the HTTP server; port 0 takes any free port", deflt: "127.0.0.1:8080",
			kind: hostPort(&c.Server.Listen),
		},
		{
			name: "FERRYMAN_HOSTS", flag: "hosts", section: ServerSection,
			help: "host names under which a server on loopback may be reached, such as those of a reverse proxy on the same machine",
			kind: hostNames(&c.Server.Hosts),
		},
		{
			name: "FERRYMAN_INSECURE_OPEN", flag: "insecure-open", section: ServerSection,
			help: "beyond loopback ask for no key: whoever reaches the address may do everything but report crons and manage them", deflt: "false",
			kind: boolean(&c.Server.InsecureOpen),
		},
		{
			name: "FERRYMAN_STOP_GRACE_SECONDS", section: ServerSection,
			help: "how long a stop waits for work in hand before it is handed back", deflt: "10",
			kind: seconds(&c.Server.StopGrace, 600),
		},
		{
			name: "FERRYMAN_KEY_RATE", section: ServerSection,
			help: "calls a second that one API key may make; 0 is no limit", deflt: "1000",
			kind: whole(0, 1_000_000, "calls", func(n int64) { c.Server.KeyRate = n }),
		},
		{
			name: "FERRYMAN_STATE_DIR", flag: "state-dir", section: StoreSection,
			help:  "folder of the default databases",
			deflt: "$XDG_STATE_HOME/ferryman; without it /var/lib/ferryman as root, $HOME/.local/state/ferryman otherwise", derive: l.stateDir,
			kind: directory(&c.Store.StateDir, l.resolve),
		},
		{
			name: "FERRYMAN_STORE_URL", flag: "store", section: StoreSection, inFile: true,
			help: "database that holds Ferryman's own state", deflt: "ferryman.db in the state folder", derive: l.inStateDir("ferryman.db"),
			kind: database(&c.Store.URL, l.resolve, "sqlite:///path/file.db or postgres://user:password@host:5432/database",
				"sqlite", "postgres", "postgresql"),
		},
		{
			// OFF is left out on purpose: it can corrupt the store at a power cut.
			name: "FERRYMAN_SQLITE_SYNCHRONOUS", section: StoreSection,
			help: "durability of a SQLite store: with NORMAL a power cut may take the last commits", deflt: "FULL",
			kind: oneOf([]string{"FULL", "EXTRA", "NORMAL"}, func(word string) { c.Store.Synchronous = word }),
		},
		{
			name: "FERRYMAN_SECRET", section: StoreSection, secret: true, inFile: true,
			help: "what the hashes of API keys are made with, the same on all nodes of a store; unset, it is made once and kept in a file beside a SQLite store, or in the state folder",
			kind: longSecret(&c.Store.Secret),
		},
		{
			name: "WAREHOUSE_DATABASE_URL", flag: "warehouse-database", section: WarehouseSection, inFile: true,
			help: "database that users and warehouses are written to", deflt: "warehouse.db in the state folder", derive: l.inStateDir("warehouse.db"),
			kind: database(&c.Warehouse.Database, l.resolve,
				"sqlite:///path/file.db, postgres://user:password@host:5432/database or mysql://user:password@host:3306/database",
				"sqlite", "postgres", "postgresql", "mysql", "mariadb"),
		},
		{
			name: "API_BASE_URL", section: WarehouseSection,
			help: "base address of the WMS API", deflt: "https://show.pulpo.co/api/v1",
			kind: webURL(&c.Warehouse.BaseURL),
		},
		{
			name: "API_TOKEN", section: WarehouseSection, secret: true, inFile: true,
			help: "token that never expires; wins over user and password",
			kind: token(&c.Warehouse.Token),
		},
		{
			name: "API_USER", section: WarehouseSection,
			help: "user whose token is fetched and renewed; needs the password too",
			kind: text(&c.Warehouse.User, "one line of text"),
		},
		{
			name: "API_PASSWORD", section: WarehouseSection, secret: true, inFile: true,
			help: "password of that user",
			kind: password(&c.Warehouse.Password),
		},
		{
			name: "INTERVAL_RETRY_TOKEN_SECONDS", section: WarehouseSection,
			help: "pause after a token request that failed; longer if the API asks for it, up to 5 minutes", deflt: "10",
			kind: seconds(&c.Warehouse.RetryToken, day),
		},
		{
			name: "INTERVAL_SCHEDULER_SECONDS", section: WarehouseSection,
			help: "time between two scheduled syncs", deflt: "60",
			kind: seconds(&c.Warehouse.Interval, year),
		},
		{
			name: "API_TIMEOUT_SECONDS", section: WarehouseSection,
			help: "how long one call of the API may take", deflt: "30",
			kind: seconds(&c.Warehouse.Timeout, day),
		},
		{
			name: "API_MAX_ANSWER_BYTES", section: WarehouseSection,
			help: "size that one answer of the API may have", deflt: "16777216",
			kind: whole(1024, 1<<30, "bytes", func(n int64) { c.Warehouse.MaxAnswer = n }),
		},
		{
			name: "FERRYMAN_URL", section: ExecSection,
			help: "address of the server that `ferryman cron exec` reports to", deflt: "http://127.0.0.1:8080",
			kind: webURL(&c.Exec.URL),
		},
		{
			name: "FERRYMAN_API_KEY", section: ExecSection, secret: true, inFile: true,
			help: "key of the application whose crons it reports",
			kind: apiKey(&c.Exec.Key),
		},
		{
			name: "FERRYMAN_SPOOL_DIR", section: ExecSection,
			help: "folder of reports that wait until the server can be reached again", deflt: "spool in the state folder", derive: l.spoolDir,
			kind: directory(&c.Exec.SpoolDir, l.resolve),
		},
		{
			name: "FERRYMAN_LOG_LEVEL", flag: "log-level", section: LogSection,
			help: "least important messages that are logged", deflt: "info",
			kind: level(&c.Log.Level),
		},
		{
			name: "FERRYMAN_LOG_FORMAT", flag: "log-format", section: LogSection,
			help: "key=value text, or one JSON object a line", deflt: "text",
			kind: oneOf([]string{"text", "json"}, func(word string) { c.Log.JSON = word == "json" }),
		},
	}
}

// names are the variables that set s.
func (s setting) names() []string {
	if s.inFile {
		return []string{s.name, s.name + fileSuffix}
	}
	return []string{s.name}
}

func knownNames(rows []setting) map[string]bool {
	known := make(map[string]bool)
	for _, s := range rows {
		for _, name := range s.names() {
			known[name] = true
		}
	}
	return known
}

// label names s in messages, in every way that it can be set.
func (s setting) label() string {
	label := strings.Join(s.names(), " or ")
	if s.flag != "" {
		label += " (--" + s.flag + ")"
	}
	return label
}
