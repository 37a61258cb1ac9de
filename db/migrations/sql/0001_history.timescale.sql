-- Where the extension is installed. Runs after every migration, and may be run again at any time.
-- Chunks of 30 days: a replay of decades at one result a day stays at a few hundred chunks.
SELECT create_hypertable('ticks', 'event_time', chunk_time_interval => INTERVAL '30 days', create_default_indexes => false,
                         if_not_exists => true, migrate_data => true);
SELECT create_hypertable('risk_results', 'as_of', chunk_time_interval => INTERVAL '30 days', create_default_indexes => false,
                         if_not_exists => true, migrate_data => true);
SELECT create_hypertable('regime_states', 'as_of', chunk_time_interval => INTERVAL '365 days', create_default_indexes => false,
                         if_not_exists => true, migrate_data => true);
