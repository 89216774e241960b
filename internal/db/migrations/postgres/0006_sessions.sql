-- Who is signed in to the dashboard, and what was done by whom.

CREATE TABLE sessions (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash BYTEA  NOT NULL UNIQUE, -- SHA-256
    key_id     BIGINT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL, -- up to a minute behind
    expires_at BIGINT NOT NULL,
    remote     TEXT   NOT NULL,
    agent      TEXT   NOT NULL
);
CREATE INDEX sessions_key ON sessions (key_id, id);
CREATE INDEX sessions_seen ON sessions (seen_at);

CREATE TABLE audit (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      BIGINT NOT NULL,
    who     TEXT   NOT NULL,
    app     TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    target  TEXT   NOT NULL,
    subject TEXT   NOT NULL, -- the first two words of the target: names change, these do not
    detail  TEXT   NOT NULL,
    remote  TEXT   NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_subject ON audit (subject, id);
