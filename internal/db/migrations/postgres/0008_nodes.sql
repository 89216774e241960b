-- The processes that serve the store, and which older ones may.

CREATE TABLE nodes (
    name       TEXT   PRIMARY KEY,
    version    TEXT   NOT NULL,
    url        TEXT   NOT NULL, -- where it listens, as seen from its own machine
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL, -- when it last said that it lives
    drain_at   BIGINT,          -- since when it is to begin nothing more
    drained_at BIGINT           -- since when nothing runs on it
);

-- One row: the oldest schema that a process may know and still work on this one. A
-- migration that older processes cannot live with raises it to its own number.
CREATE TABLE schema_compatibility (oldest BIGINT NOT NULL);
INSERT INTO schema_compatibility (oldest) VALUES (8);
