-- One value for all: a new measure needs no new column.
ALTER TABLE risk_results ADD COLUMN measures jsonb;
COMMENT ON COLUMN risk_results.measures IS 'Other measures of the same scenarios by name, losses positive; null for methods that have none';

CREATE OR REPLACE VIEW v_latest_results AS
SELECT r.run_id, r.node_id, n.name AS node, n.kind, n.parent_id, r.as_of, r.method, r.horizon_days, r.confidence, r.revision, r.currency,
       r.value_at_risk, r.expected_shortfall, r.scenario_count, r.stale_share, r.proxied_share, r.thin_share, r.status, r.log_seq,
       r.run_id = (SELECT run_id FROM runs ORDER BY ordinal DESC LIMIT 1) AS is_latest_run,
       r.value_at_risk_error, r.value_at_risk_lower, r.value_at_risk_upper,
       r.expected_shortfall_error, r.expected_shortfall_lower, r.expected_shortfall_upper, r.measures
FROM nodes AS n
CROSS JOIN LATERAL (
    SELECT as_of FROM risk_results WHERE run_id = n.run_id AND node_id = n.node_id ORDER BY as_of DESC LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (method, horizon_days, confidence) * FROM risk_results
    WHERE run_id = n.run_id AND node_id = n.node_id AND as_of = newest.as_of
    ORDER BY method, horizon_days, confidence, revision DESC
) AS r;
