-- What came of executions, hour by hour: counted where an execution ends, by whatever statement, and kept longer than the executions.

-- The transaction that writes a row here has locked the cron: nobody waits for it.
CREATE TABLE execution_hours (
    cron_id BIGINT NOT NULL REFERENCES crons (id) ON DELETE CASCADE,
    at      BIGINT NOT NULL, -- when the hour began in which they ended
    status  TEXT   NOT NULL,
    n       BIGINT NOT NULL,
    took    BIGINT NOT NULL, -- all successes or failures together; of other statuses 0
    PRIMARY KEY (cron_id, at, status)
) WITH (fillfactor = 80);
CREATE INDEX execution_hours_at ON execution_hours (at);

-- The same by application. Transactions that are open at the same time count in parts of their own: none waits for another.
CREATE TABLE application_hours (
    at             BIGINT NOT NULL, -- 0: told long afterwards, with no status and nothing but changes
    application_id BIGINT NOT NULL,
    status         TEXT   NOT NULL,
    part           BIGINT NOT NULL,
    n              BIGINT NOT NULL,
    took           BIGINT NOT NULL,
    changes        BIGINT NOT NULL, -- how often the row was written, by which it shows that something has changed
    PRIMARY KEY (at, application_id, status, part)
) WITH (fillfactor = 80);

CREATE FUNCTION count_execution() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mine INT := 0;
BEGIN
    WHILE NOT pg_try_advisory_xact_lock(1718773089, mine) LOOP
        mine := mine + 1;
    END LOOP;
    -- One that had ended already counts otherwise now.
    IF TG_OP = 'UPDATE' AND OLD.ended_at IS NOT NULL THEN
        UPDATE execution_hours SET n = n - 1,
            took = took - CASE WHEN OLD.status IN ('success', 'failed') THEN greatest(OLD.ended_at - OLD.started_at, 0) ELSE 0 END
        WHERE cron_id = OLD.cron_id AND at = OLD.ended_at - OLD.ended_at % 3600000000 AND status = OLD.status;
        INSERT INTO application_hours AS h (at, application_id, status, part, n, took, changes)
        VALUES (OLD.ended_at - OLD.ended_at % 3600000000, OLD.application_id, OLD.status, mine, -1,
            -CASE WHEN OLD.status IN ('success', 'failed') THEN greatest(OLD.ended_at - OLD.started_at, 0) ELSE 0 END, 1)
        ON CONFLICT (at, application_id, status, part) DO UPDATE SET n = h.n - 1, took = h.took + excluded.took, changes = h.changes + 1;
    END IF;
    INSERT INTO execution_hours AS h (cron_id, at, status, n, took)
    VALUES (NEW.cron_id, NEW.ended_at - NEW.ended_at % 3600000000, NEW.status, 1,
        CASE WHEN NEW.status IN ('success', 'failed') THEN greatest(NEW.ended_at - NEW.started_at, 0) ELSE 0 END)
    ON CONFLICT (cron_id, at, status) DO UPDATE SET n = h.n + 1, took = h.took + excluded.took;
    INSERT INTO application_hours AS h (at, application_id, status, part, n, took, changes)
    VALUES (NEW.ended_at - NEW.ended_at % 3600000000, NEW.application_id, NEW.status, mine, 1,
        CASE WHEN NEW.status IN ('success', 'failed') THEN greatest(NEW.ended_at - NEW.started_at, 0) ELSE 0 END, 1)
    ON CONFLICT (at, application_id, status, part) DO UPDATE SET n = h.n + 1, took = h.took + excluded.took, changes = h.changes + 1;
    IF NEW.reported_at - NEW.ended_at > 3600000000 THEN
        INSERT INTO application_hours AS h (at, application_id, status, part, n, took, changes)
        VALUES (0, NEW.application_id, '', mine, 0, 0, 1)
        ON CONFLICT (at, application_id, status, part) DO UPDATE SET changes = h.changes + 1;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER executions_recorded AFTER INSERT ON executions FOR EACH ROW
    WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION count_execution();
CREATE TRIGGER executions_ended AFTER UPDATE OF status, ended_at ON executions FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.ended_at IS DISTINCT FROM NEW.ended_at) EXECUTE FUNCTION count_execution();

-- Nobody ends an execution until this is done: the triggers have locked them.
INSERT INTO execution_hours (cron_id, at, status, n, took)
SELECT cron_id, ended_at - ended_at % 3600000000 AS hour, status, count(*),
    CAST(sum(CASE WHEN status IN ('success', 'failed') THEN greatest(ended_at - started_at, 0) ELSE 0 END) AS BIGINT)
FROM executions WHERE ended_at IS NOT NULL GROUP BY cron_id, hour, status;
INSERT INTO application_hours (at, application_id, status, part, n, took, changes)
SELECT h.at, c.application_id, h.status, 0, CAST(sum(h.n) AS BIGINT), CAST(sum(h.took) AS BIGINT), 0
FROM execution_hours h JOIN crons c ON c.id = h.cron_id GROUP BY h.at, c.application_id, h.status;

CREATE INDEX crons_expected ON crons (expected_at) WHERE expected_at IS NOT NULL;
CREATE INDEX crons_updated ON crons (updated_at);
