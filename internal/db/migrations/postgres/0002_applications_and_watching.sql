-- Applications report their crons with keys; crons have schedules that are watched.

CREATE TABLE marks (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE applications (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- Ferryman's own syncs are its crons.
INSERT INTO applications (name, created_at) VALUES ('ferryman', CAST(extract(epoch FROM now()) * 1000000 AS BIGINT));

CREATE TABLE api_keys (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id BIGINT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    prefix         TEXT   NOT NULL UNIQUE, -- the public part
    hash           BYTEA  NOT NULL,        -- keyed, of the whole key
    scope          TEXT   NOT NULL CHECK (scope IN ('ping', 'read', 'admin')),
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT,
    revoked_at     BIGINT,
    last_used_at   BIGINT
);
CREATE INDEX api_keys_application ON api_keys (application_id);

ALTER TABLE crons DROP CONSTRAINT crons_slug_key;
ALTER TABLE crons
    ADD COLUMN application_id BIGINT REFERENCES applications (id),
    ADD COLUMN paused_until   BIGINT,                                -- inactive until then; NULL: not paused
    ADD COLUMN overlap        TEXT    NOT NULL DEFAULT 'allow' CHECK (overlap IN ('allow', 'forbid', 'replace')),
    ADD COLUMN heartbeat      BIGINT  CHECK (heartbeat > 0),         -- how long a run may be silent; NULL: for ever
    ADD COLUMN schedule       TEXT    NOT NULL DEFAULT '',           -- '': starts are not expected
    ADD COLUMN zone           TEXT    NOT NULL DEFAULT 'UTC',
    ADD COLUMN grace          BIGINT  NOT NULL DEFAULT 60000000,     -- how late a start may be
    ADD COLUMN fail_after     BIGINT  NOT NULL DEFAULT 1 CHECK (fail_after > 0),    -- failures in a row that make it failing
    ADD COLUMN recover_after  BIGINT  NOT NULL DEFAULT 1 CHECK (recover_after > 0), -- successes in a row that end that
    ADD COLUMN each_failure   BOOLEAN NOT NULL DEFAULT FALSE,        -- every failure is an event
    ADD COLUMN each_success   BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN muted          BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN snoozed_until  BIGINT,
    ADD COLUMN keep_runs      BIGINT  NOT NULL DEFAULT 10000 CHECK (keep_runs > 0),
    ADD COLUMN keep_for       BIGINT  CHECK (keep_for > 0),          -- NULL: age does not matter
    ADD COLUMN runs           BIGINT  NOT NULL DEFAULT 0,            -- executions that are kept and had a run
    ADD COLUMN records        BIGINT  NOT NULL DEFAULT 0,            -- those that had none: missed and skipped
    ADD COLUMN expected_at    BIGINT,                                -- the next start that is expected
    ADD COLUMN late_at        BIGINT,                                -- it is missed after this
    ADD COLUMN failures       BIGINT  NOT NULL DEFAULT 0,            -- in a row
    ADD COLUMN successes      BIGINT  NOT NULL DEFAULT 0,            -- in a row since the last failure, while failing
    ADD COLUMN missed_since   BIGINT,
    ADD COLUMN overdue_since  BIGINT,
    ADD COLUMN failing_since  BIGINT,
    ADD COLUMN deleted_at     BIGINT;
UPDATE crons SET application_id = (SELECT id FROM applications WHERE name = 'ferryman'),
    runs = (SELECT count(*) FROM executions WHERE cron_id = crons.id);
ALTER TABLE crons ALTER COLUMN application_id SET NOT NULL;
CREATE UNIQUE INDEX crons_slug ON crons (application_id, slug) WHERE deleted_at IS NULL;
CREATE INDEX crons_late ON crons (late_at) WHERE late_at IS NOT NULL;

-- Names that a cron had before: calls by them still find it.
CREATE TABLE cron_aliases (
    application_id BIGINT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    slug           TEXT   NOT NULL,
    cron_id        BIGINT NOT NULL REFERENCES crons (id) ON DELETE CASCADE,
    PRIMARY KEY (application_id, slug)
);
CREATE INDEX cron_aliases_cron ON cron_aliases (cron_id);

ALTER TABLE executions
    ADD COLUMN application_id   BIGINT,
    ADD COLUMN scheduled_for    BIGINT,  -- the expected start that it stands for
    ADD COLUMN overdue          BOOLEAN NOT NULL DEFAULT FALSE, -- it ran past its deadline
    ADD COLUMN reported_at      BIGINT,  -- when the application reported its end
    ADD COLUMN reported_success BOOLEAN,
    ADD COLUMN end_type         TEXT CHECK (end_type IN ('info', 'success', 'warning', 'error')),
    ADD COLUMN exit_code        BIGINT,
    ADD COLUMN reported_took    BIGINT,
    ADD COLUMN repeats          BIGINT NOT NULL DEFAULT 1, -- expected starts that a missed one stands for
    ADD COLUMN message_count    BIGINT NOT NULL DEFAULT 0, -- received, kept or not
    ADD COLUMN head_count       BIGINT NOT NULL DEFAULT 0, -- of the messages that are kept from the beginning
    ADD COLUMN head_bytes       BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN tail_seq         BIGINT NOT NULL DEFAULT 0, -- the first that is kept after those
    ADD COLUMN tail_bytes       BIGINT NOT NULL DEFAULT 0;
UPDATE executions SET application_id = (SELECT application_id FROM crons WHERE id = cron_id),
    message_count = (SELECT count(*) FROM messages WHERE execution_id = executions.id),
    head_count = (SELECT count(*) FROM messages WHERE execution_id = executions.id);
ALTER TABLE executions ALTER COLUMN application_id SET NOT NULL;
CREATE INDEX executions_application ON executions (application_id, id);
CREATE INDEX executions_started ON executions (started_at);
CREATE INDEX executions_running ON executions (cron_id, id) WHERE ended_at IS NULL;
CREATE INDEX executions_deadline ON executions (deadline_at) WHERE ended_at IS NULL AND deadline_at IS NOT NULL;
-- For lists of what went wrong: most executions are not in these.
CREATE INDEX executions_other ON executions (status, id) WHERE status NOT IN ('success', 'running');
CREATE INDEX executions_application_other ON executions (application_id, status, id) WHERE status NOT IN ('success', 'running');
CREATE INDEX executions_cron_other ON executions (cron_id, status, id) WHERE status NOT IN ('success', 'running');

ALTER TABLE messages
    ADD COLUMN seq         BIGINT,   -- 1, 2, … of the execution
    ADD COLUMN received_at BIGINT,
    ADD COLUMN size        BIGINT  NOT NULL DEFAULT 0, -- bytes
    ADD COLUMN truncated   BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN late        BOOLEAN NOT NULL DEFAULT FALSE, -- it came after the end
    ADD COLUMN ending      BOOLEAN NOT NULL DEFAULT FALSE; -- it came with the end
UPDATE messages SET seq = numbered.seq, received_at = at, size = octet_length(message)
FROM (SELECT id, row_number() OVER (PARTITION BY execution_id ORDER BY id) AS seq FROM messages) AS numbered
WHERE numbered.id = messages.id;
ALTER TABLE messages ALTER COLUMN seq SET NOT NULL, ALTER COLUMN received_at SET NOT NULL;
DROP INDEX messages_execution;
CREATE UNIQUE INDEX messages_execution ON messages (execution_id, seq);

-- What alerts are made from: each row is a change that somebody may want to know.
CREATE TABLE events (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cron_id          BIGINT NOT NULL REFERENCES crons (id) ON DELETE CASCADE,
    application_id   BIGINT NOT NULL,
    execution_id     BIGINT, -- no reference: events outlive executions
    kind             TEXT   NOT NULL CHECK (kind IN ('missed', 'overdue', 'failing', 'failed', 'succeeded', 'recovered')),
    subject          TEXT   NOT NULL DEFAULT '', -- of recovered: missed, overdue or failing
    since            BIGINT,                     -- when the trouble began
    detail           TEXT   NOT NULL DEFAULT '',
    at               BIGINT NOT NULL,
    suppressed       TEXT   NOT NULL DEFAULT '' CHECK (suppressed IN ('', 'muted', 'snoozed', 'maintenance')),
    suppressed_until BIGINT -- when to tell after all, if it still holds; NULL: never, or done
);
CREATE INDEX events_cron ON events (cron_id, id);
CREATE INDEX events_application ON events (application_id, id);
CREATE INDEX events_suppressed ON events (suppressed_until) WHERE suppressed_until IS NOT NULL;

CREATE TABLE maintenance_windows (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id BIGINT REFERENCES applications (id) ON DELETE CASCADE, -- NULL: every application
    cron_id        BIGINT REFERENCES crons (id) ON DELETE CASCADE,        -- NULL: every cron of it
    starts_at      BIGINT NOT NULL,
    ends_at        BIGINT NOT NULL CHECK (ends_at > starts_at),
    reason         TEXT   NOT NULL,
    created_at     BIGINT NOT NULL
);
CREATE INDEX maintenance_windows_end ON maintenance_windows (ends_at);

-- Calls that were refused, for whoever looks for a cron that is wired wrongly.
CREATE TABLE rejected_calls (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id BIGINT, -- NULL: no valid key
    method         TEXT   NOT NULL,
    path           TEXT   NOT NULL,
    status         BIGINT NOT NULL,
    code           TEXT   NOT NULL,
    detail         TEXT   NOT NULL,
    key_prefix     TEXT   NOT NULL,
    remote         TEXT   NOT NULL,
    agent          TEXT   NOT NULL,
    times          BIGINT NOT NULL, -- that it came in much the same way, in a short while
    first_at       BIGINT NOT NULL,
    last_at        BIGINT NOT NULL
);
