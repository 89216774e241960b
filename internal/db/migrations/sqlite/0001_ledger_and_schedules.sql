-- Times and durations are microseconds; times since 1970 in UTC.

CREATE TABLE crons (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    slug              TEXT    NOT NULL UNIQUE,
    name              TEXT    NOT NULL,
    kind              TEXT    NOT NULL CHECK (kind IN ('sync', 'external')),
    active            BOOLEAN NOT NULL DEFAULT TRUE,
    max_running       BIGINT  CHECK (max_running > 0), -- NULL: no limit
    max_runtime       BIGINT  CHECK (max_runtime > 0), -- NULL: no limit
    last_execution_id BIGINT  NOT NULL DEFAULT 0,      -- the newest admitted, also when it is pruned
    created_at        BIGINT  NOT NULL,
    updated_at        BIGINT  NOT NULL
);

CREATE TABLE executions (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    cron_id       BIGINT NOT NULL REFERENCES crons (id),
    slot          BIGINT,                   -- which of the cron's max_running places it holds; NULL: unlimited
    status        TEXT   NOT NULL CHECK (status IN ('running', 'success', 'failed', 'timed_out', 'cancelled', 'superseded', 'missed', 'skipped')),
    "trigger"     TEXT   NOT NULL,
    request       TEXT,                     -- what asked for it; the same request is not run twice
    attempt       BIGINT NOT NULL DEFAULT 1, -- of the request
    holder        TEXT   NOT NULL,          -- the node or host that runs it
    started_at    BIGINT NOT NULL,
    ended_at      BIGINT,
    lease_until   BIGINT,                   -- the holder is taken for dead after this; NULL: never
    deadline_at   BIGINT,                   -- max_runtime, as it was at the start
    reason        TEXT   NOT NULL DEFAULT '',
    detail        TEXT   NOT NULL DEFAULT '',
    rows_read     BIGINT NOT NULL DEFAULT 0,
    rows_written  BIGINT NOT NULL DEFAULT 0,
    rows_deleted  BIGINT NOT NULL DEFAULT 0,
    rows_rejected BIGINT NOT NULL DEFAULT 0,
    result        TEXT,                     -- JSON
    CHECK ((ended_at IS NULL) = (status = 'running'))
);

-- Admission rests on this index alone: a slot is held once.
CREATE UNIQUE INDEX executions_slot ON executions (cron_id, slot) WHERE ended_at IS NULL AND slot IS NOT NULL;
CREATE UNIQUE INDEX executions_request ON executions (cron_id, request, attempt) WHERE request IS NOT NULL;
CREATE INDEX executions_cron ON executions (cron_id, id);
CREATE INDEX executions_lease ON executions (lease_until) WHERE ended_at IS NULL AND lease_until IS NOT NULL;

CREATE TABLE messages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    execution_id BIGINT NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    type         TEXT   NOT NULL CHECK (type IN ('info', 'success', 'warning', 'error')),
    message      TEXT   NOT NULL,
    at           BIGINT NOT NULL
);

CREATE INDEX messages_execution ON messages (execution_id, id);

CREATE TABLE schedules (
    name        TEXT   PRIMARY KEY,
    every       BIGINT NOT NULL CHECK (every > 0),
    catch_up    TEXT   NOT NULL CHECK (catch_up IN ('skip', 'once', 'all')),
    next_run_at BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
