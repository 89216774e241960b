-- Applications report their crons with keys; crons have schedules that are watched.

CREATE TABLE marks (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE applications (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- Ferryman's own syncs are its crons.
INSERT INTO applications (name, created_at) VALUES ('ferryman', CAST(unixepoch('subsec') * 1000000 AS BIGINT));

CREATE TABLE api_keys (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    application_id BIGINT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    prefix         TEXT   NOT NULL UNIQUE, -- the public part
    hash           BLOB   NOT NULL,        -- keyed, of the whole key
    scope          TEXT   NOT NULL CHECK (scope IN ('ping', 'read', 'admin')),
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT,
    revoked_at     BIGINT,
    last_used_at   BIGINT
);
CREATE INDEX api_keys_application ON api_keys (application_id);

-- The tables are made anew: SQLite cannot drop that a slug is unique whatever the application.
DROP INDEX executions_slot;
DROP INDEX executions_request;
DROP INDEX executions_cron;
DROP INDEX executions_lease;
DROP INDEX messages_execution;
ALTER TABLE messages RENAME TO old_messages;
ALTER TABLE executions RENAME TO old_executions;
ALTER TABLE crons RENAME TO old_crons;

CREATE TABLE crons (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    application_id    BIGINT  NOT NULL REFERENCES applications (id),
    slug              TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    kind              TEXT    NOT NULL CHECK (kind IN ('sync', 'external')),
    active            BOOLEAN NOT NULL DEFAULT TRUE,
    max_running       BIGINT  CHECK (max_running > 0), -- NULL: no limit
    max_runtime       BIGINT  CHECK (max_runtime > 0), -- NULL: no limit
    last_execution_id BIGINT  NOT NULL DEFAULT 0, -- the newest admitted, also when it is pruned
    created_at        BIGINT  NOT NULL,
    updated_at        BIGINT  NOT NULL,
    paused_until      BIGINT, -- inactive until then; NULL: not paused
    overlap           TEXT    NOT NULL DEFAULT 'allow' CHECK (overlap IN ('allow', 'forbid', 'replace')),
    heartbeat         BIGINT  CHECK (heartbeat > 0), -- how long a run may be silent; NULL: for ever
    schedule          TEXT    NOT NULL DEFAULT '', -- '': starts are not expected
    zone              TEXT    NOT NULL DEFAULT 'UTC',
    grace             BIGINT  NOT NULL DEFAULT 60000000, -- how late a start may be
    fail_after        BIGINT  NOT NULL DEFAULT 1 CHECK (fail_after > 0), -- failures in a row that make it failing
    recover_after     BIGINT  NOT NULL DEFAULT 1 CHECK (recover_after > 0), -- successes in a row that end that
    each_failure      BOOLEAN NOT NULL DEFAULT FALSE, -- every failure is an event
    each_success      BOOLEAN NOT NULL DEFAULT FALSE,
    muted             BOOLEAN NOT NULL DEFAULT FALSE,
    snoozed_until     BIGINT,
    keep_runs         BIGINT  NOT NULL DEFAULT 10000 CHECK (keep_runs > 0),
    keep_for          BIGINT  CHECK (keep_for > 0), -- NULL: age does not matter
    runs              BIGINT  NOT NULL DEFAULT 0, -- executions that are kept and had a run
    records           BIGINT  NOT NULL DEFAULT 0, -- those that had none: missed and skipped
    expected_at       BIGINT, -- the next start that is expected
    late_at           BIGINT, -- it is missed after this
    failures          BIGINT  NOT NULL DEFAULT 0, -- in a row
    successes         BIGINT  NOT NULL DEFAULT 0, -- in a row since the last failure, while failing
    missed_since      BIGINT,
    overdue_since     BIGINT,
    failing_since     BIGINT,
    deleted_at        BIGINT
);
CREATE UNIQUE INDEX crons_slug ON crons (application_id, slug) WHERE deleted_at IS NULL;
CREATE INDEX crons_late ON crons (late_at) WHERE late_at IS NOT NULL;

INSERT INTO crons (id, application_id, slug, name, kind, active, max_running, max_runtime, last_execution_id, created_at, updated_at, runs)
SELECT id, (SELECT id FROM applications WHERE name = 'ferryman'), slug, name, kind, active, max_running, max_runtime, last_execution_id, created_at, updated_at,
    (SELECT count(*) FROM old_executions WHERE cron_id = c.id)
FROM old_crons c;

-- Names that a cron had before: calls by them still find it.
CREATE TABLE cron_aliases (
    application_id BIGINT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    slug           TEXT   NOT NULL,
    cron_id        BIGINT NOT NULL REFERENCES crons (id) ON DELETE CASCADE,
    PRIMARY KEY (application_id, slug)
);
CREATE INDEX cron_aliases_cron ON cron_aliases (cron_id);

CREATE TABLE executions (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    cron_id          BIGINT  NOT NULL REFERENCES crons (id),
    application_id   BIGINT  NOT NULL,
    slot             BIGINT, -- which of the cron's max_running places it holds; NULL: unlimited
    status           TEXT    NOT NULL CHECK (status IN ('running', 'success', 'failed', 'timed_out', 'cancelled', 'superseded', 'missed', 'skipped')),
    "trigger"        TEXT    NOT NULL,
    request          TEXT, -- what asked for it; the same request is not run twice
    attempt          BIGINT  NOT NULL DEFAULT 1, -- of the request
    holder           TEXT    NOT NULL, -- the node or host that runs it
    started_at       BIGINT  NOT NULL,
    ended_at         BIGINT,
    lease_until      BIGINT, -- the holder is taken for dead after this; NULL: never
    deadline_at      BIGINT, -- max_runtime, as it was at the start
    reason           TEXT    NOT NULL DEFAULT '',
    detail           TEXT    NOT NULL DEFAULT '',
    rows_read        BIGINT  NOT NULL DEFAULT 0,
    rows_written     BIGINT  NOT NULL DEFAULT 0,
    rows_deleted     BIGINT  NOT NULL DEFAULT 0,
    rows_rejected    BIGINT  NOT NULL DEFAULT 0,
    result           TEXT, -- JSON
    scheduled_for    BIGINT, -- the expected start that it stands for
    overdue          BOOLEAN NOT NULL DEFAULT FALSE, -- it ran past its deadline
    reported_at      BIGINT, -- when the application reported its end
    reported_success BOOLEAN,
    end_type         TEXT    CHECK (end_type IN ('info', 'success', 'warning', 'error')),
    exit_code        BIGINT,
    reported_took    BIGINT,
    repeats          BIGINT  NOT NULL DEFAULT 1, -- expected starts that a missed one stands for
    message_count    BIGINT  NOT NULL DEFAULT 0, -- received, kept or not
    head_count       BIGINT  NOT NULL DEFAULT 0, -- of the messages that are kept from the beginning
    head_bytes       BIGINT  NOT NULL DEFAULT 0,
    tail_seq         BIGINT  NOT NULL DEFAULT 0, -- the first that is kept after those
    tail_bytes       BIGINT  NOT NULL DEFAULT 0,
    CHECK ((ended_at IS NULL) = (status = 'running'))
);

-- Admission rests on this index alone: a slot is held once.
CREATE UNIQUE INDEX executions_slot ON executions (cron_id, slot) WHERE ended_at IS NULL AND slot IS NOT NULL;
CREATE UNIQUE INDEX executions_request ON executions (cron_id, request, attempt) WHERE request IS NOT NULL;
CREATE INDEX executions_cron ON executions (cron_id, id);
CREATE INDEX executions_lease ON executions (lease_until) WHERE ended_at IS NULL AND lease_until IS NOT NULL;
CREATE INDEX executions_application ON executions (application_id, id);
CREATE INDEX executions_started ON executions (started_at);
CREATE INDEX executions_running ON executions (cron_id, id) WHERE ended_at IS NULL;
CREATE INDEX executions_deadline ON executions (deadline_at) WHERE ended_at IS NULL AND deadline_at IS NOT NULL;
-- For lists of what went wrong: most executions are not in these.
CREATE INDEX executions_other ON executions (status, id) WHERE status NOT IN ('success', 'running');
CREATE INDEX executions_application_other ON executions (application_id, status, id) WHERE status NOT IN ('success', 'running');
CREATE INDEX executions_cron_other ON executions (cron_id, status, id) WHERE status NOT IN ('success', 'running');

INSERT INTO executions (id, cron_id, slot, status, "trigger", request, attempt, holder, started_at, ended_at, lease_until, deadline_at,
    reason, detail, rows_read, rows_written, rows_deleted, rows_rejected, result, application_id, message_count, head_count)
SELECT id, cron_id, slot, status, "trigger", request, attempt, holder, started_at, ended_at, lease_until, deadline_at,
    reason, detail, rows_read, rows_written, rows_deleted, rows_rejected, result,
    (SELECT application_id FROM crons WHERE id = e.cron_id),
    (SELECT count(*) FROM old_messages WHERE execution_id = e.id),
    (SELECT count(*) FROM old_messages WHERE execution_id = e.id)
FROM old_executions e;

CREATE TABLE messages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    execution_id BIGINT  NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    type         TEXT    NOT NULL CHECK (type IN ('info', 'success', 'warning', 'error')),
    message      TEXT    NOT NULL,
    at           BIGINT  NOT NULL,
    seq          BIGINT  NOT NULL, -- 1, 2, … of the execution
    received_at  BIGINT  NOT NULL,
    size         BIGINT  NOT NULL DEFAULT 0, -- bytes
    truncated    BOOLEAN NOT NULL DEFAULT FALSE,
    late         BOOLEAN NOT NULL DEFAULT FALSE, -- it came after the end
    ending       BOOLEAN NOT NULL DEFAULT FALSE -- it came with the end
);
CREATE UNIQUE INDEX messages_execution ON messages (execution_id, seq);

INSERT INTO messages (id, execution_id, type, message, at, seq, received_at, size)
SELECT id, execution_id, type, message, at, row_number() OVER (PARTITION BY execution_id ORDER BY id), at, octet_length(message)
FROM old_messages;

DROP TABLE old_messages;
DROP TABLE old_executions;
DROP TABLE old_crons;
-- No id is given twice, also if the newest rows were gone: ids of syncs stand in requests.
UPDATE sqlite_sequence SET seq = max(seq, (SELECT coalesce(max(last_execution_id), 0) FROM crons)) WHERE name = 'executions';

-- What alerts are made from: each row is a change that somebody may want to know.
CREATE TABLE events (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
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
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
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
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
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
