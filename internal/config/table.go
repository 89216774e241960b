package config

import (
	"strings"
	"time"
)

// Section groups settings.
type Section string

// The sections, in the order of the documentation.
const (
	FileSection      Section = "Settings file"
	ServerSection    Section = "Server"
	StoreSection     Section = "Own state"
	WarehouseSection Section = "Warehouse sync"
	OutboxSection    Section = "Deliveries"
	PushSection      Section = "Messengers"
	ContactsSection  Section = "Contact sync"
	ExecSection      Section = "Commands that call a server"
	LogSection       Section = "Log"
	TracesSection    Section = "Traces"
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
			name: "FERRYMAN_TRUSTED_PROXIES", flag: "trusted-proxies", section: ServerSection,
			help: "reverse proxies whose headers X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host are believed",
			kind: networks(&c.Server.TrustedProxies),
		},
		{
			name: tlsCertName, flag: tlsCertFlag, section: ServerSection,
			help: "certificate of the server, with those of its authorities below it, in PEM; with it the server speaks HTTPS. It is read anew when it changes",
			kind: filePath(&c.Server.TLSCert, l.resolve),
		},
		{
			name: "FERRYMAN_TLS_KEY_FILE", flag: "tls-key", section: ServerSection,
			help: "private key of that certificate, in PEM, without a passphrase",
			kind: filePath(&c.Server.TLSKey, l.resolve),
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
			help: "what the hashes of API keys are made with, and what the addresses and secrets of webhooks are encrypted with, the same on all nodes of a store; unset, it is made once and kept in a file beside a SQLite store, or in the state folder",
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
			name: "FERRYMAN_SEND_CONCURRENCY", section: OutboxSection,
			help: "attempts that each channel makes at the same time; as many may be uncertain after a crash", deflt: "64",
			kind: whole(1, 4096, "attempts", func(n int64) { c.Outbox.Concurrency = int(n) }),
		},
		{
			name: "FERRYMAN_SEND_TIMEOUT_SECONDS", section: OutboxSection,
			help: "how long one attempt may take", deflt: "30",
			kind: seconds(&c.Outbox.Timeout, 600),
		},
		{
			name: "FERRYMAN_UNCERTAIN", section: OutboxSection,
			help: "what becomes of a message that a messenger may or may not have taken, because the answer or this process was lost: repeat sends it again, hold leaves it to a person, as a dead letter", deflt: "repeat",
			kind: oneOf([]string{"repeat", "hold"}, func(word string) { c.Outbox.Hold = word == "hold" }),
		},
		{
			name: "FERRYMAN_KEEP_ATTEMPTS_DAYS", section: OutboxSection,
			help: "how long attempts of what is settled are kept, and settled alerts and posts of contacts, dead ones too; messages themselves stay, since each goes out once for ever", deflt: "30",
			kind: whole(1, 36500, "days", func(n int64) { c.Outbox.Keep = time.Duration(n) * day * time.Second }),
		},
		{
			name: "FERRYMAN_WEBHOOK_ALLOW_HOSTS", section: OutboxSection,
			help: "hosts, with or without port, that webhooks may reach although their addresses are private, loopback or otherwise special",
			kind: webHosts(&c.Outbox.AllowHosts),
		},
		{
			name: "FERRYMAN_PUSH_ATTEMPTS", section: PushSection,
			help: "attempts at a message before it is a dead letter; the pauses between them begin at 5 s and double, up to 10 minutes", deflt: "8",
			kind: whole(1, 100, "attempts", func(n int64) { c.Push.Attempts = int(n) }),
		},
		{
			name: "TELEGRAM_TOKEN", section: PushSection, secret: true, inFile: true,
			help: "token of the bot that sends; without it messages for Telegram wait",
			kind: token(&c.Push.Telegram.Token),
		},
		{
			name: "TELEGRAM_BASE_URL", section: PushSection,
			help: "base address of the Bot API", deflt: "https://api.telegram.org",
			kind: webURL(&c.Push.Telegram.BaseURL),
		},
		{
			name: "TELEGRAM_RATE", section: PushSection,
			help: "rate of all messages for Telegram, on all nodes together", deflt: "30/s",
			kind: rate(&c.Push.Telegram.Rate),
		},
		{
			name: "TELEGRAM_RECIPIENT_RATE", section: PushSection,
			help: "rate of the messages to one chat; groups have 20/min besides", deflt: "1/s",
			kind: rate(&c.Push.Telegram.RecipientRate),
		},
		{
			name: "VIBER_TOKEN", section: PushSection, secret: true, inFile: true,
			help: "authentication token of the bot that sends; without it messages for Viber wait",
			kind: token(&c.Push.Viber.Token),
		},
		{
			name: "VIBER_SENDER", section: PushSection,
			help: "name that people see as the sender, of at most 28 characters", deflt: "Ferryman",
			kind: shortText(&c.Push.Viber.Sender, 28),
		},
		{
			name: "VIBER_BASE_URL", section: PushSection,
			help: "base address of the REST API", deflt: "https://chatapi.viber.com",
			kind: webURL(&c.Push.Viber.BaseURL),
		},
		{
			name: "VIBER_RATE", section: PushSection,
			help: "rate of all messages for Viber, on all nodes together", deflt: "none",
			kind: rate(&c.Push.Viber.Rate),
		},
		{
			name: "VIBER_RECIPIENT_RATE", section: PushSection,
			help: "rate of the messages to one user", deflt: "100/h",
			kind: rate(&c.Push.Viber.RecipientRate),
		},
		{
			name: "WHATSAPP_TOKEN", section: PushSection, secret: true, inFile: true,
			help: "access token of the Business Cloud API; without it messages for WhatsApp wait",
			kind: token(&c.Push.WhatsApp.Token),
		},
		{
			name: "WHATSAPP_PHONE_NUMBER_ID", section: PushSection,
			help: "id of the phone number that sends; without it messages for WhatsApp wait",
			kind: digits(&c.Push.WhatsApp.PhoneNumberID),
		},
		{
			name: "WHATSAPP_API_VERSION", section: PushSection,
			help: "version of the API", deflt: "v23.0",
			kind: version(&c.Push.WhatsApp.APIVersion),
		},
		{
			name: "WHATSAPP_BASE_URL", section: PushSection,
			help: "base address of the API", deflt: "https://graph.facebook.com",
			kind: webURL(&c.Push.WhatsApp.BaseURL),
		},
		{
			name: "WHATSAPP_RATE", section: PushSection,
			help: "rate of all messages for WhatsApp, on all nodes together", deflt: "80/s",
			kind: rate(&c.Push.WhatsApp.Rate),
		},
		{
			name: "WHATSAPP_RECIPIENT_RATE", section: PushSection,
			help: "rate of the messages to one recipient", deflt: "1/6s",
			kind: rate(&c.Push.WhatsApp.RecipientRate),
		},
		{
			name: campaignsFileName, flag: "campaigns", section: ContactsSection,
			help: "YAML file of the campaigns whose contacts are synced", deflt: "campaigns.yaml in the working directory, if there is one",
			derive: l.findCampaigns,
			kind:   kind{expect: "the path of a file", metavar: "file", parse: l.readCampaigns},
		},
		{
			name: "FERRYMAN_CONTACTS_TOKEN", section: ContactsSection, secret: true, inFile: true,
			help: "token of the campaign that a command of `ferryman contacts` names by its id",
			kind: token(&c.Contacts.Token),
		},
		{
			name: "FERRYMAN_CONTACTS_TARGET", section: ContactsSection, inFile: true,
			help: "database or web service that such a campaign goes to",
			kind: target(&c.Contacts.Target, l.resolve),
		},
		{
			name: "FERRYMAN_URL", section: ExecSection,
			help:  "address of the server that `ferryman cron exec` reports to, and that `ferryman push` sends by",
			deflt: "http://127.0.0.1:8080; with https where FERRYMAN_TLS_CERT_FILE is set", derive: l.localServer,
			kind: webURL(&c.Exec.URL),
		},
		{
			name: "FERRYMAN_API_KEY", section: ExecSection, secret: true, inFile: true,
			help: "key of the application whose crons are reported; for messages, of the application ferryman, where the server asks for one",
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
		// What OpenTelemetry calls them, so that one environment does for all services of a machine.
		{
			name: endpointName, section: TracesSection,
			help: "address of a collector that takes OpenTelemetry traces by OTLP over HTTP, to which /v1/traces is added; without it nothing is traced",
			kind: collector(&c.Traces.URL, "/v1/traces"),
		},
		{
			name: tracesEndpointName, section: TracesSection,
			help: "the same with its whole path, where that is another; wins over it",
			kind: collector(&c.Traces.URL, ""),
		},
		{
			name: "OTEL_EXPORTER_OTLP_HEADERS", section: TracesSection, secret: true, inFile: true,
			help: "headers that the collector asks for",
			kind: headers(&c.Traces.Headers),
		},
		{
			name: "OTEL_EXPORTER_OTLP_TRACES_HEADERS", section: TracesSection, secret: true, inFile: true,
			help: "the same for traces alone; wins over it, nothing of which is then sent",
			kind: headers(&c.Traces.Headers),
		},
		{
			name: "OTEL_TRACES_SAMPLER", section: TracesSection,
			help: "which traces are kept; those that begin with parentbased_ go by the caller's decision where there is one", deflt: "parentbased_always_on",
			kind: oneOf([]string{
				"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
			}, func(word string) { c.Traces.Sampler = word }),
		},
		{
			name: "OTEL_TRACES_SAMPLER_ARG", section: TracesSection,
			help: "part of the traces that a sampler of traceidratio keeps", deflt: "1",
			kind: part(&c.Traces.Ratio),
		},
		{
			name: "OTEL_SERVICE_NAME", section: TracesSection,
			help: "what the traces are of", deflt: "ferryman",
			kind: text(&c.Traces.Service, "one line of text"),
		},
		{
			name: "OTEL_RESOURCE_ATTRIBUTES", section: TracesSection,
			help: "what each trace is to say besides",
			kind: attributes(&c.Traces.Attributes),
		},
		{
			name: "OTEL_SDK_DISABLED", section: TracesSection,
			help: "trace nothing, whatever the others say", deflt: "false",
			kind: boolean(&c.Traces.Disabled),
		},
		{
			name: "OTEL_TRACES_EXPORTER", section: TracesSection,
			help: "who is to have the traces; without otlp, as with none, nothing is traced", deflt: "otlp",
			kind: exporters(&c.Traces.Disabled),
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
