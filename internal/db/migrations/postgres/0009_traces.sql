-- Of what trace a delivery was asked for, as W3C Trace Context writes it; NULL: of none.
-- The release before works on it.
ALTER TABLE deliveries ADD COLUMN traceparent TEXT;
