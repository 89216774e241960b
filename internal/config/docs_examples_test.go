package config

import (
	"slices"
	"strings"
	"testing"
)

// settingExamples are what the reference shows of each setting, as a line of .env.
var settingExamples = []string{
	"FERRYMAN_ENV_FILE=/etc/ferryman/env",
	"FERRYMAN_LISTEN=0.0.0.0:8080",
	"FERRYMAN_HOSTS=ferryman.example.com",
	"FERRYMAN_TRUSTED_PROXIES=127.0.0.1,10.1.0.0/16",
	"FERRYMAN_TLS_CERT_FILE=/etc/ssl/ferryman/fullchain.pem",
	"FERRYMAN_TLS_KEY_FILE=/etc/ssl/ferryman/privkey.pem",
	"FERRYMAN_INSECURE_OPEN=true",
	"FERRYMAN_STOP_GRACE_SECONDS=30",
	"FERRYMAN_KEY_RATE=100",
	"FERRYMAN_STATE_DIR=/var/lib/ferryman",
	"FERRYMAN_STORE_URL=postgres://ferryman:password@db.example.com:5432/ferryman",
	"FERRYMAN_SQLITE_SYNCHRONOUS=NORMAL",
	"FERRYMAN_SECRET_FILE=/etc/ferryman/secret",
	"WAREHOUSE_DATABASE_URL=postgres://ferry:password@db.example.com:5432/warehouses",
	"API_BASE_URL=https://wms.example.com/api/v1",
	"API_TOKEN_FILE=/etc/ferryman/wms-token",
	"API_USER=me@example.com",
	"API_PASSWORD_FILE=/etc/ferryman/wms-password",
	"INTERVAL_RETRY_TOKEN_SECONDS=30",
	"INTERVAL_SCHEDULER_SECONDS=300",
	"API_TIMEOUT_SECONDS=60",
	"API_MAX_ANSWER_BYTES=67108864",
	"FERRYMAN_SEND_CONCURRENCY=256",
	"FERRYMAN_SEND_TIMEOUT_SECONDS=10",
	"FERRYMAN_UNCERTAIN=hold",
	"FERRYMAN_KEEP_ATTEMPTS_DAYS=90",
	"FERRYMAN_WEBHOOK_ALLOW_HOSTS=hooks.internal,10.0.0.7:8443",
	"FERRYMAN_PUSH_ATTEMPTS=5",
	"TELEGRAM_TOKEN_FILE=/etc/ferryman/telegram",
	"TELEGRAM_BASE_URL=https://telegram-gateway.example.com",
	"TELEGRAM_RATE=20/s",
	"TELEGRAM_RECIPIENT_RATE=1/2s",
	"VIBER_TOKEN_FILE=/etc/ferryman/viber",
	"VIBER_SENDER=Harbour Office",
	"VIBER_BASE_URL=https://viber-gateway.example.com",
	"VIBER_RATE=50/s",
	"VIBER_RECIPIENT_RATE=20/h",
	"WHATSAPP_TOKEN_FILE=/etc/ferryman/whatsapp",
	"WHATSAPP_PHONE_NUMBER_ID=300400500600",
	"WHATSAPP_API_VERSION=v24.0",
	"WHATSAPP_BASE_URL=https://whatsapp-gateway.example.com",
	"WHATSAPP_RATE=40/s",
	"WHATSAPP_RECIPIENT_RATE=1/10s",
	"FERRYMAN_CAMPAIGNS_FILE=/etc/ferryman/campaigns.yaml",
	"FERRYMAN_CONTACTS_TOKEN_FILE=/etc/ferryman/spring-token",
	"FERRYMAN_CONTACTS_TARGET=mysql://ferry:password@db.example.com:3306/contacts",
	"FERRYMAN_URL=https://ferryman.example.com",
	"FERRYMAN_API_KEY_FILE=/etc/ferryman/key",
	"FERRYMAN_SPOOL_DIR=/var/spool/ferryman",
	"FERRYMAN_LOG_LEVEL=debug",
	"FERRYMAN_LOG_FORMAT=json",
	"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318",
	"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://traces.example.com/otlp/v1/traces",
	"OTEL_EXPORTER_OTLP_HEADERS_FILE=/etc/ferryman/traces-headers",
	"OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE=/etc/ferryman/traces-headers",
	"OTEL_TRACES_SAMPLER=parentbased_traceidratio",
	"OTEL_TRACES_SAMPLER_ARG=0.1",
	"OTEL_SERVICE_NAME=ferryman-shop",
	"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=production,service.namespace=shop",
	"OTEL_SDK_DISABLED=true",
	"OTEL_TRACES_EXPORTER=none",
}

// campaignExamples are lines of the campaigns file.
var campaignExamples = []string{
	"id: ABCDEFGH23456789",
	"name: sales",
	"token_file: /etc/ferryman/sales-token",
	"base_url: https://dialfire-gateway.example.com",
	"mode: db_sync",
	"target_env: SALES_DATABASE_URL",
	"start: 2024-01-01",
	"filter: hi_updates_only",
	"stage_prefix: fc_,qc_",
	"table_prefix: sales_",
	"workers: 8",
	"connections: 4",
	"per_call: 100",
	"max_fields: 100",
	"empty_as_null: true",
	"legacy_values: true",
	"history: true",
	"rate: 20",
	"burst: 100",
	"profile: standard",
	"secret_file: /etc/ferryman/sales-signing",
	"every: 30s",
}

// exampleOf gives the example of what one of the names sets, and its value; "" where
// there is none.
func exampleOf(examples []string, between string, names []string) (example, value string) {
	for _, e := range examples {
		if name, value, _ := strings.Cut(e, between); slices.Contains(names, name) {
			return e, value
		}
	}
	return "", ""
}

// TestExamples has each setting take its example, if it stands there and not in a file.
func TestExamples(t *testing.T) {
	l := &loader{Input: Input{Dir: "/"}}
	rows := l.table()
	if len(settingExamples) != len(rows) {
		t.Errorf("%d examples of %d settings", len(settingExamples), len(rows))
	}
	for _, s := range rows {
		example, value := exampleOf(settingExamples, "=", s.names())
		switch {
		case example == "":
			t.Errorf("%s has no example", s.name)
		case s.metavar == "file" || strings.HasPrefix(example, s.name+fileSuffix+"="):
		default:
			if _, err := s.parse(value); err != nil {
				t.Errorf("%s: %v", example, err)
			}
		}
	}
	c := NewCampaign()
	fields := c.fields(absolute)
	if len(campaignExamples) != len(fields) {
		t.Errorf("%d examples of %d keys", len(campaignExamples), len(fields))
	}
	for _, f := range fields {
		example, value := exampleOf(campaignExamples, ": ", f.keys())
		switch {
		case example == "":
			t.Errorf("%s has no example", f.key)
		case !strings.HasPrefix(example, f.key+": "):
		default:
			if _, err := f.parse(value); err != nil {
				t.Errorf("%s: %v", example, err)
			}
		}
	}
}
