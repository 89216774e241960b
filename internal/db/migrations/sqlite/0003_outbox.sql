-- What leaves by HTTP: deliveries, the channels they go by, and who is told of events.

-- Tells this store from others, in ids that others see.
CREATE TABLE store_identity (id TEXT PRIMARY KEY);
INSERT INTO store_identity (id) VALUES (lower(hex(randomblob(8))));

CREATE TABLE channels (
    name         TEXT PRIMARY KEY,
    configured   BOOLEAN NOT NULL DEFAULT FALSE, -- the node that last began to serve it could send
    paused_by    TEXT    NOT NULL DEFAULT '' CHECK (paused_by IN ('', 'person', 'fault')),
    paused_at    BIGINT,
    pause_reason TEXT    NOT NULL DEFAULT '',
    held_until   BIGINT,                     -- the other side asked for it, or is in trouble
    troubles     BIGINT  NOT NULL DEFAULT 0, -- attempts in a row that found it in trouble
    next_at      BIGINT  NOT NULL DEFAULT 0  -- of its rate: when its bucket is full again
);

-- What was done, a row of each sender, so that two of them do not wait for each other.
CREATE TABLE channel_totals (
    channel   TEXT   NOT NULL,
    sender_id BIGINT NOT NULL,
    sent      BIGINT NOT NULL DEFAULT 0,
    failed    BIGINT NOT NULL DEFAULT 0,
    retried   BIGINT NOT NULL DEFAULT 0,
    uncertain BIGINT NOT NULL DEFAULT 0,
    expired   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, sender_id)
);

-- A rate of each recipient, while it is not fully rested.
CREATE TABLE recipient_rates (
    channel   TEXT   NOT NULL,
    recipient TEXT   NOT NULL,
    next_at   BIGINT NOT NULL,
    PRIMARY KEY (channel, recipient)
);
CREATE INDEX recipient_rates_next ON recipient_rates (next_at);

-- Processes that send. What one has claimed is its own while it lives.
CREATE TABLE senders (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT   NOT NULL,
    alive_until BIGINT NOT NULL
);

CREATE TABLE deliveries (
    id         INTEGER  PRIMARY KEY AUTOINCREMENT,
    state      INTEGER  NOT NULL, -- 0 waiting, 1 sending, 2 behind another, 3 sent, 4 failed, 5 cancelled, 6 expired
    topic      INTEGER  NOT NULL, -- 0 message, 1 alert, 2 contact
    channel    TEXT     NOT NULL,
    recipient  TEXT     NOT NULL,
    payload    TEXT     NOT NULL,
    dedupe     BLOB,              -- 16 bytes; NULL: may come again
    order_key  TEXT,              -- those of a channel with the same go one after the other; NULL: in no order
    start_at   BIGINT,            -- as asked for; NULL: at once
    due_at     BIGINT   NOT NULL, -- of the next attempt
    expires_at BIGINT,
    created_at BIGINT   NOT NULL,
    attempts   BIGINT   NOT NULL DEFAULT 0,
    spared     BIGINT   NOT NULL DEFAULT 0, -- attempts that do not count: before a revival, or not the delivery's fault
    uncertain  BIGINT   NOT NULL DEFAULT 0, -- attempts that may have arrived without anybody knowing
    sender_id  BIGINT,            -- while sending
    claimed_at BIGINT,            -- while sending: the attempt's begin
    ended_at   BIGINT,            -- when it was sent, failed, cancelled or expired
    last_error TEXT     NOT NULL DEFAULT '',
    reference  TEXT     NOT NULL DEFAULT '' -- what the other side calls it
);
CREATE UNIQUE INDEX deliveries_dedupe ON deliveries (recipient, channel, dedupe); -- recipients first: it also finds what went to one
CREATE INDEX deliveries_due ON deliveries (channel, due_at, id) WHERE state = 0;
CREATE INDEX deliveries_urgent ON deliveries (channel, due_at, id) WHERE state = 0 AND topic = 1;
CREATE INDEX deliveries_uncertain ON deliveries (topic, id) WHERE uncertain > 0;
CREATE INDEX deliveries_state ON deliveries (topic, state, id);
CREATE INDEX deliveries_expires ON deliveries (expires_at) WHERE expires_at IS NOT NULL AND state IN (0, 2);
CREATE INDEX deliveries_order ON deliveries (channel, order_key, state, id) WHERE order_key IS NOT NULL AND state IN (0, 1, 2);
CREATE INDEX deliveries_dead ON deliveries (channel, id) WHERE state = 4;

CREATE TABLE attempts (
    delivery_id BIGINT NOT NULL, -- no reference: it would lock the delivery
    n           BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    took        BIGINT,          -- NULL: nobody saw its end
    outcome     TEXT   NOT NULL CHECK (outcome IN ('sent', 'retry', 'failed', 'paused', 'uncertain')),
    status      BIGINT NOT NULL DEFAULT 0, -- of HTTP; 0: no answer
    code        TEXT   NOT NULL DEFAULT '',
    detail      TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (delivery_id, n)
);
CREATE INDEX attempts_at ON attempts (at);

-- Answers to calls that may be repeated.
CREATE TABLE idempotency_keys (
    key_hash     BLOB   PRIMARY KEY,
    request_hash BLOB   NOT NULL,
    answer       BLOB   NOT NULL,
    created_at   BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE webhooks (
    name       TEXT   PRIMARY KEY,
    url        BLOB   NOT NULL, -- sealed, like the secrets: it may hold one
    secret     BLOB,            -- NULL: not signed
    old_secret BLOB,            -- of a rotation: signed with both
    profile    TEXT   NOT NULL CHECK (profile IN ('seed', 'standard')),
    rate       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    deleted_at BIGINT
);

-- Who is told of which events.
CREATE TABLE alert_recipients (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    application_id BIGINT REFERENCES applications (id) ON DELETE CASCADE, -- NULL: every application
    channel        TEXT   NOT NULL,
    recipient      TEXT   NOT NULL,
    kinds          TEXT   NOT NULL, -- of events, separated by blanks
    created_at     BIGINT NOT NULL
);

-- Events of the past are not news.
ALTER TABLE events ADD COLUMN alerted_at BIGINT;
UPDATE events SET alerted_at = at;
CREATE INDEX events_news ON events (id) WHERE alerted_at IS NULL;
