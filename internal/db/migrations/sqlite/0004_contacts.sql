-- Contact syncs that post to web services: how far each is, and what it has posted.

CREATE TABLE sync_cursors (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline   TEXT   NOT NULL UNIQUE,
    cursor     TEXT   NOT NULL DEFAULT '', -- '': none yet
    batches    BIGINT NOT NULL DEFAULT 0,
    updated_at BIGINT NOT NULL
);

-- A row of each transaction for ever, so small ones: what was posted once is told from news.
CREATE TABLE postings (
    pipeline_id INTEGER NOT NULL, -- no reference: it would cost a look for each
    key         BLOB    NOT NULL, -- 16 bytes of a digest of the contact's id and the time
    hash        BLOB    NOT NULL, -- 16 bytes of a digest of the source's own
    posted      INTEGER NOT NULL, -- how often; 0: it was refused each time
    changed_at  BIGINT  NOT NULL,
    PRIMARY KEY (pipeline_id, key)
) WITHOUT ROWID;
