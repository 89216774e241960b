-- What came of executions, hour by hour: counted where an execution ends, by whatever statement, and kept longer than the executions.

CREATE TABLE execution_hours (
    cron_id BIGINT NOT NULL REFERENCES crons (id) ON DELETE CASCADE,
    at      BIGINT NOT NULL, -- when the hour began in which they ended
    status  TEXT   NOT NULL,
    n       BIGINT NOT NULL,
    took    BIGINT NOT NULL, -- all successes or failures together; of other statuses 0
    PRIMARY KEY (cron_id, at, status)
) WITHOUT ROWID;
CREATE INDEX execution_hours_at ON execution_hours (at);

-- The same by application. The parts are for PostgreSQL, where transactions must not wait for each other.
CREATE TABLE application_hours (
    at             BIGINT NOT NULL, -- 0: told long afterwards, with no status and nothing but changes
    application_id BIGINT NOT NULL,
    status         TEXT   NOT NULL,
    part           BIGINT NOT NULL,
    n              BIGINT NOT NULL,
    took           BIGINT NOT NULL,
    changes        BIGINT NOT NULL, -- how often the row was written, by which it shows that something has changed
    PRIMARY KEY (at, application_id, status, part)
) WITHOUT ROWID;

INSERT INTO execution_hours (cron_id, at, status, n, took)
SELECT cron_id, ended_at - ended_at % 3600000000 AS hour, status, count(*),
    sum(CASE WHEN status IN ('success', 'failed') THEN max(ended_at - started_at, 0) ELSE 0 END)
FROM executions WHERE ended_at IS NOT NULL GROUP BY cron_id, hour, status;
INSERT INTO application_hours (at, application_id, status, part, n, took, changes)
SELECT h.at, c.application_id, h.status, 0, sum(h.n), sum(h.took), 0
FROM execution_hours h JOIN crons c ON c.id = h.cron_id GROUP BY h.at, c.application_id, h.status;

CREATE TRIGGER executions_recorded AFTER INSERT ON executions WHEN NEW.ended_at IS NOT NULL BEGIN
    INSERT INTO execution_hours (cron_id, at, status, n, took)
    VALUES (NEW.cron_id, NEW.ended_at - NEW.ended_at % 3600000000, NEW.status, 1,
        CASE WHEN NEW.status IN ('success', 'failed') THEN max(NEW.ended_at - NEW.started_at, 0) ELSE 0 END)
    ON CONFLICT (cron_id, at, status) DO UPDATE SET n = n + 1, took = took + excluded.took;
    INSERT INTO application_hours (at, application_id, status, part, n, took, changes)
    VALUES (NEW.ended_at - NEW.ended_at % 3600000000, NEW.application_id, NEW.status, 0, 1,
        CASE WHEN NEW.status IN ('success', 'failed') THEN max(NEW.ended_at - NEW.started_at, 0) ELSE 0 END, 1)
    ON CONFLICT (at, application_id, status, part) DO UPDATE SET n = n + 1, took = took + excluded.took, changes = changes + 1;
END;

CREATE TRIGGER executions_ended AFTER UPDATE OF status, ended_at ON executions
WHEN NEW.ended_at IS NOT NULL AND (OLD.ended_at IS NULL OR OLD.status <> NEW.status OR OLD.ended_at <> NEW.ended_at) BEGIN
    INSERT INTO execution_hours (cron_id, at, status, n, took)
    VALUES (NEW.cron_id, NEW.ended_at - NEW.ended_at % 3600000000, NEW.status, 1,
        CASE WHEN NEW.status IN ('success', 'failed') THEN max(NEW.ended_at - NEW.started_at, 0) ELSE 0 END)
    ON CONFLICT (cron_id, at, status) DO UPDATE SET n = n + 1, took = took + excluded.took;
    INSERT INTO application_hours (at, application_id, status, part, n, took, changes)
    VALUES (NEW.ended_at - NEW.ended_at % 3600000000, NEW.application_id, NEW.status, 0, 1,
        CASE WHEN NEW.status IN ('success', 'failed') THEN max(NEW.ended_at - NEW.started_at, 0) ELSE 0 END, 1)
    ON CONFLICT (at, application_id, status, part) DO UPDATE SET n = n + 1, took = took + excluded.took, changes = changes + 1;
END;

-- One that had ended already counts otherwise now.
CREATE TRIGGER executions_ended_otherwise AFTER UPDATE OF status, ended_at ON executions
WHEN OLD.ended_at IS NOT NULL AND (OLD.status <> NEW.status OR OLD.ended_at <> NEW.ended_at) BEGIN
    UPDATE execution_hours SET n = n - 1,
        took = took - CASE WHEN OLD.status IN ('success', 'failed') THEN max(OLD.ended_at - OLD.started_at, 0) ELSE 0 END
    WHERE cron_id = OLD.cron_id AND at = OLD.ended_at - OLD.ended_at % 3600000000 AND status = OLD.status;
    UPDATE application_hours SET n = n - 1, changes = changes + 1,
        took = took - CASE WHEN OLD.status IN ('success', 'failed') THEN max(OLD.ended_at - OLD.started_at, 0) ELSE 0 END
    WHERE at = OLD.ended_at - OLD.ended_at % 3600000000 AND application_id = OLD.application_id AND status = OLD.status AND part = 0;
END;

CREATE TRIGGER executions_told_long_afterwards AFTER UPDATE OF reported_at ON executions
WHEN NEW.reported_at - NEW.ended_at > 3600000000 BEGIN
    INSERT INTO application_hours (at, application_id, status, part, n, took, changes)
    VALUES (0, NEW.application_id, '', 0, 0, 0, 1)
    ON CONFLICT (at, application_id, status, part) DO UPDATE SET changes = changes + 1;
END;

CREATE INDEX crons_expected ON crons (expected_at) WHERE expected_at IS NOT NULL;
CREATE INDEX crons_updated ON crons (updated_at);
