-- Only under timescaledb.license = 'timescale'. Compression waits until late rows and corrections are unlikely: a conflict
-- check against compressed chunks is slow. Nothing is ever dropped: retention is the operator's choice.
ALTER TABLE ticks SET (timescaledb.compress, timescaledb.compress_segmentby = 'instrument_id',
                       timescaledb.compress_orderby = 'event_time DESC, log_seq DESC, ordinal DESC');
SELECT add_compression_policy('ticks', INTERVAL '45 days', if_not_exists => true);
ALTER TABLE risk_results SET (timescaledb.compress, timescaledb.compress_segmentby = 'run_id, node_id',
                              timescaledb.compress_orderby = 'as_of DESC, method, horizon_days, confidence, revision');
SELECT add_compression_policy('risk_results', INTERVAL '400 days', if_not_exists => true);
