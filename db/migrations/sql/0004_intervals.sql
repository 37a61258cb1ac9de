-- No CHECK: a hypertable with compressed chunks takes a new column only without one. The adapter refuses what is not finite.
ALTER TABLE risk_results
    ADD COLUMN value_at_risk_error double precision,
    ADD COLUMN value_at_risk_lower double precision,
    ADD COLUMN value_at_risk_upper double precision,
    ADD COLUMN expected_shortfall_error double precision,
    ADD COLUMN expected_shortfall_lower double precision,
    ADD COLUMN expected_shortfall_upper double precision;
COMMENT ON COLUMN risk_results.value_at_risk_error IS 'Standard error; null where the sample says nothing of the spread';
COMMENT ON COLUMN risk_results.value_at_risk_lower IS 'Lower bound of the interval of nominal coverage 0.95; null where the sample sets none';
COMMENT ON COLUMN risk_results.value_at_risk_upper IS 'Upper bound, alike';
COMMENT ON COLUMN risk_results.expected_shortfall_error IS 'Standard error; null where the sample says nothing of the spread';
COMMENT ON COLUMN risk_results.expected_shortfall_lower IS 'Lower bound of the interval of nominal coverage 0.95; null where the sample sets none';
COMMENT ON COLUMN risk_results.expected_shortfall_upper IS 'Upper bound, alike';

CREATE OR REPLACE VIEW v_latest_results AS
SELECT r.run_id, r.node_id, n.name AS node, n.kind, n.parent_id, r.as_of, r.method, r.horizon_days, r.confidence, r.revision, r.currency,
       r.value_at_risk, r.expected_shortfall, r.scenario_count, r.stale_share, r.proxied_share, r.thin_share, r.status, r.log_seq,
       r.run_id = (SELECT run_id FROM runs ORDER BY ordinal DESC LIMIT 1) AS is_latest_run,
       r.value_at_risk_error, r.value_at_risk_lower, r.value_at_risk_upper,
       r.expected_shortfall_error, r.expected_shortfall_lower, r.expected_shortfall_upper
FROM nodes AS n
CROSS JOIN LATERAL (
    SELECT as_of FROM risk_results WHERE run_id = n.run_id AND node_id = n.node_id ORDER BY as_of DESC LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (method, horizon_days, confidence) * FROM risk_results
    WHERE run_id = n.run_id AND node_id = n.node_id AND as_of = newest.as_of
    ORDER BY method, horizon_days, confidence, revision DESC
) AS r;
