-- What channels did hour by hour; as in channel_totals, a row of each sender.
CREATE TABLE channel_hours (
    at        BIGINT NOT NULL, -- when the hour began
    channel   TEXT   NOT NULL,
    sender_id BIGINT NOT NULL,
    sent      BIGINT NOT NULL,
    failed    BIGINT NOT NULL,
    retried   BIGINT NOT NULL,
    uncertain BIGINT NOT NULL,
    expired   BIGINT NOT NULL,
    PRIMARY KEY (at, channel, sender_id)
);
