-- Orders that wait for ingest where there is no broker: the embedded profile.
CREATE TABLE inbox (
    message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text COLLATE "C" NOT NULL,
    key        text NOT NULL,
    payload    bytea NOT NULL,
    sent_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE inbox IS 'Inbound messages until they are acknowledged';

-- A run anew numbers its sources from 1 again: what tells its fills from those of the run before is where it began.
CREATE TABLE log_lines (
    first_log_seq bigint PRIMARY KEY
);
COMMENT ON TABLE log_lines IS 'The genesis records of the log: where each run anew begins';
INSERT INTO log_lines SELECT log_seq FROM log_records WHERE length(payload) > 3 AND get_byte(payload, 3) = 1; -- the body kind of genesis

ALTER TABLE fills ADD COLUMN first_log_seq bigint;
COMMENT ON COLUMN fills.first_log_seq IS 'The genesis record that the fill belongs to (table log_lines)';
UPDATE fills SET first_log_seq = coalesce((SELECT max(l.first_log_seq) FROM log_lines AS l WHERE l.first_log_seq <= fills.log_seq), 0);
ALTER TABLE fills ALTER COLUMN first_log_seq SET NOT NULL;
ALTER TABLE fills DROP CONSTRAINT fills_pkey;
ALTER TABLE fills ADD PRIMARY KEY (first_log_seq, source_id, source_seq, ordinal);
