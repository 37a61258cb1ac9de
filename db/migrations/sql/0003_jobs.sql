ALTER TABLE jobs ADD COLUMN done_at timestamptz;
COMMENT ON COLUMN jobs.done_at IS 'When its rows were kept and published; null while it waits';
CREATE INDEX jobs_waiting ON jobs (run_id, shard_id, as_of_ns) WHERE done_at IS NULL;
