package archtest

// Patterns: "a/b" is that package, "a/b/..." is it and all below it. Names are
// relative to the module, except those of other modules and of the standard library.

// layers names every package and what of ours its code may import beside the
// packages below it; tests are free in that. The first line that matches counts.
var layers = []struct {
	pkg string
	may []string
}{
	{"cmd/...", []string{
		"internal/alert", "internal/apikey", "internal/app", "internal/audit", "internal/certificate", "internal/config", "internal/cronexec", "internal/doctor", "internal/endpoint", "internal/fault",
		"internal/ledger", "internal/ledgerjson", "internal/misspelt", "internal/node", "internal/outbox", "internal/pipeline", "internal/pushclient", "internal/schedule",
		"internal/syncs",
	}},

	// The wiring: the only place that knows which sources, sinks and channels there are.
	{"internal/app", []string{
		"api", "internal/alert", "internal/apikey", "internal/audit", "internal/certificate", "internal/channel/...", "internal/config", "internal/dashboard",
		"internal/db", "internal/doctor", "internal/draft", "internal/endpoint", "internal/fault", "internal/httpapi", "internal/httpclient", "internal/jobs", "internal/ledger",
		"internal/node", "internal/outbox", "internal/pipeline", "internal/push", "internal/rejected", "internal/sandbox/...", "internal/schedule",
		"internal/sink/...", "internal/source/...", "internal/span", "internal/syncs", "internal/tracing", "internal/transfer",
	}},

	// The faces.
	{"internal/httpapi", []string{
		"api", "internal/apikey", "internal/audit", "internal/fault", "internal/forwarded", "internal/ledger", "internal/ledgerjson", "internal/misspelt", "internal/outbox",
		"internal/params", "internal/pipeline", "internal/push", "internal/ratelimit", "internal/rejected", "internal/schedule", "internal/syncs",
	}},
	{"internal/dashboard/chart", nil},
	{"internal/dashboard", []string{
		"internal/alert", "internal/apikey", "internal/audit", "internal/dashboard/chart", "internal/endpoint", "internal/fault", "internal/forwarded", "internal/ledger", "internal/node", "internal/outbox",
		"internal/params", "internal/pipeline", "internal/push", "internal/ratelimit", "internal/rejected", "internal/schedule", "internal/syncs",
	}},

	// Adapters know the port that they serve, and not each other.
	{"internal/source/...", []string{"internal/fault", "internal/httpclient", "internal/pipeline"}},
	{"internal/sink/sqlsink/tdsfake", nil},
	{"internal/sink/outboxsink", []string{"internal/db", "internal/fault", "internal/outbox", "internal/pipeline"}},
	{"internal/sink/...", []string{"internal/fault", "internal/httpclient", "internal/pipeline"}},
	{"internal/channel/messenger", []string{"internal/fault", "internal/httpclient", "internal/outbox"}},
	{"internal/channel/...", []string{"internal/channel/messenger", "internal/fault", "internal/httpclient", "internal/outbox"}},

	// Domains do not know each other; what combines two of them is named for it.
	{"internal/alert", []string{"internal/db", "internal/fault", "internal/jobs", "internal/ledger", "internal/outbox"}},
	{"internal/syncs", []string{"internal/db", "internal/fault", "internal/jobs", "internal/ledger", "internal/pipeline", "internal/span"}},
	{"internal/push", []string{"internal/db", "internal/fault", "internal/jobs", "internal/misspelt", "internal/outbox", "internal/span"}},
	{"internal/apikey", []string{"internal/db", "internal/fault", "internal/jobs"}},
	{"internal/audit", []string{"internal/db", "internal/jobs"}},
	{"internal/ledger", []string{"internal/db", "internal/fault", "internal/jobs", "internal/schedule", "internal/span"}},
	{"internal/ledgerjson", []string{"internal/ledger"}},
	{"internal/endpoint", []string{"internal/db", "internal/fault", "internal/seal"}},
	{"internal/node", []string{"internal/db", "internal/fault"}},
	{"internal/rejected", []string{"internal/db", "internal/fault"}},
	{"internal/outbox", []string{"internal/db", "internal/fault", "internal/jobs", "internal/span"}},
	{"internal/pipeline", []string{"internal/fault", "internal/span"}},

	{"internal/doctor", []string{"internal/certificate", "internal/db", "internal/fault", "internal/httpclient"}},

	// The ground.
	{"internal/jobs", []string{"internal/db", "internal/fault"}},
	{"internal/transfer", []string{"internal/db", "internal/fault"}},
	{"internal/db", []string{"internal/draft", "internal/fault"}},
	{"internal/draft", []string{"internal/fault"}},
	{"internal/pushclient", []string{"internal/fault"}},
	{"internal/cronexec", []string{"internal/fault", "internal/httpclient", "internal/span"}},
	{"internal/config/...", []string{"internal/fault", "internal/misspelt"}},
	{"internal/schedule", []string{"internal/fault"}},
	{"internal/certificate", []string{"internal/fault"}},
	{"internal/httpclient", []string{"internal/fault", "internal/span"}},
	{"internal/span", []string{"internal/fault"}},
	{"internal/tracing", []string{"internal/fault", "internal/httpclient", "internal/span"}},
	{"internal/fault", nil},
	{"internal/forwarded", nil},
	{"internal/ratelimit", nil},
	{"internal/misspelt", nil},
	{"internal/params", []string{"internal/fault", "internal/misspelt"}},
	{"internal/seal", nil},
	{"api", nil},

	// A simulator that shared code with us would share our mistakes.
	{"internal/sandbox/...", []string{"internal/sandbox/..."}},

	// What builds a release.
	{"internal/tools/deps", nil},
	{"internal/tools/...", []string{"internal/tools/deps"}},

	// For tests only; see reserved.
	{"internal/archtest", nil},
	{"internal/testdb", nil},
	{"internal/testaddr", nil},
	{"internal/testwait", nil},
	{"internal/certificate/certtest", nil},
	{"internal/db/dbtest", []string{"internal/db", "internal/fault", "internal/testdb", "internal/testwait"}},
	{"internal/pipeline/pipelinetest", []string{"internal/fault", "internal/pipeline", "internal/testdb"}},
	{"internal/outbox/outboxtest", []string{"internal/fault", "internal/outbox", "internal/testaddr", "internal/testwait"}},
	{"internal/e2e/chaos/witness", nil}, // it, too, is to share no mistake with us
	{"internal/e2e/...", []string{"internal/certificate/certtest", "internal/e2e/canary", "internal/sandbox/wms", "internal/testaddr", "internal/testdb", "internal/testwait"}},
}

var testHelpers = []string{
	"internal/certificate/certtest", "internal/testaddr", "internal/testdb", "internal/testwait", "internal/db/dbtest", "internal/pipeline/pipelinetest", "internal/outbox/outboxtest",
	"internal/e2e/...", "internal/sink/sqlsink/tdsfake",
}

// reserved names imports that only some packages may have.
var reserved = []struct {
	imports []string
	to      []string
	code    bool // does not hold for tests
	reason  string
}{
	{
		imports: []string{"github.com/riverqueue/...", "riverqueue.com/riverui/..."},
		to:      []string{"internal/jobs"},
		reason:  "the job engine stays behind internal/jobs",
	},
	{
		imports: []string{"github.com/jackc/pgx/v5/...", "github.com/go-sql-driver/mysql", "github.com/microsoft/go-mssqldb/...", "modernc.org/sqlite/..."},
		to:      []string{"internal/db", "internal/jobs", "internal/sink/sqlsink", "internal/testdb"},
		code:    true,
		reason:  "drivers stay behind the packages that speak SQL to them",
	},
	{
		imports: []string{"github.com/spf13/cobra/..."},
		to:      []string{"cmd/..."},
		reason:  "commands are cmd's alone",
	},
	{
		imports: []string{"go.opentelemetry.io/otel/sdk/...", "go.opentelemetry.io/otel/exporters/...", "go.opentelemetry.io/proto/..."},
		to:      []string{"internal/tracing"},
		code:    true,
		reason:  "how traces are sent stays behind internal/tracing",
	},
	{
		// Its only contents are what the whole process shares.
		imports: []string{"go.opentelemetry.io/otel"},
		reason:  "a tracer is handed over, and not set for the process",
	},
	{
		imports: testHelpers,
		to:      testHelpers,
		code:    true,
		reason:  "a helper of tests is no part of the product",
	},
	{
		imports: []string{"testing/...", "pgregory.net/rapid", "go.uber.org/goleak", "github.com/rogpeppe/go-internal/..."},
		to:      testHelpers,
		code:    true,
		reason:  "test code does not belong into the binary",
	},
	{
		imports: []string{"cmd/..."},
		to:      []string{"cmd/..."},
		reason:  "a command is not a library",
	},
	{
		imports: []string{"internal/tools/..."},
		to:      []string{"internal/tools/..."},
		reason:  "what builds a release is no part of it",
	},
}

// apart names packages whose tests, too, may import of ours only each other.
var apart = []string{"internal/sandbox/...", "internal/e2e/chaos/witness"}

// blank names packages that may import others for their side effect: SQL
// drivers register themselves, schedule embeds the time zones, and the tests of
// charts do. "embed" may be
// imported so everywhere.
var blank = []string{"internal/dashboard/chart", "internal/db", "internal/schedule", "internal/sink/sqlsink", "internal/e2e/..."}
