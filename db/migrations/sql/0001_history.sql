-- The record: final numbers, checkpoints, the log and the book.
-- Times: an exact *_ns bigint (nanoseconds since 1970, UTC) beside a timestamptz of it, rounded down to the microsecond.
-- Text that is compared or sorted is COLLATE "C": the order of bytes, the same on every server.

-- ---------------------------------------------------------------- ownership
CREATE TABLE shards (
    shard_id    text COLLATE "C" PRIMARY KEY,
    owner       text COLLATE "C",
    epoch       bigint NOT NULL CHECK (epoch > 0),
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE shards IS 'Leased, epoch-fenced ownership of shards, on this server''s clock';
COMMENT ON COLUMN shards.owner IS 'Worker that holds the shard; null once given back';
COMMENT ON COLUMN shards.epoch IS 'Grows by one with each owner; a commit under an older epoch is refused';
COMMENT ON COLUMN shards.lease_until IS 'Anyone may take the shard from then on';

CREATE FUNCTION require_lease(shard text, holder text, standing bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM shards WHERE shard_id = shard AND owner = holder AND epoch = standing FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'shard %: epoch % of % no longer stands', shard, standing, holder USING ERRCODE = 'PL001';
    END IF;
END $$;
COMMENT ON FUNCTION require_lease IS 'Locks the shard row to the end of the transaction, or fails with PL001 where another epoch rules';

CREATE TABLE checkpoints (
    run_id         text COLLATE "C" NOT NULL,
    shard_id       text COLLATE "C" NOT NULL,
    log_seq        bigint NOT NULL,
    as_of_ns       bigint NOT NULL,
    day_close      boolean NOT NULL,
    format_version integer NOT NULL,
    position       bytea NOT NULL,
    state          bytea NOT NULL,
    written_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, shard_id, log_seq, as_of_ns)
);
ALTER TABLE checkpoints ALTER COLUMN state SET STORAGE EXTERNAL;
CREATE INDEX checkpoints_passing ON checkpoints (run_id, shard_id) WHERE NOT day_close;
CREATE INDEX checkpoints_day_closes ON checkpoints (run_id, shard_id, as_of_ns, log_seq) WHERE day_close;
COMMENT ON TABLE checkpoints IS 'State of each shard''s fold: the newest, and the newest day closes (the reach of a correction)';
COMMENT ON COLUMN checkpoints.log_seq IS 'Log records folded in';
COMMENT ON COLUMN checkpoints.position IS 'Opaque position in the log, just after that record';

CREATE TABLE jobs (
    job_key    text COLLATE "C" PRIMARY KEY,
    run_id     text COLLATE "C" NOT NULL,
    shard_id   text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    as_of      timestamptz NOT NULL,
    as_of_ns   bigint NOT NULL,
    payload    bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE jobs IS 'Heavy evaluations with frozen inputs, run beside the stream';

-- ------------------------------------------------------------- final numbers
CREATE TABLE risk_results (
    run_id             text COLLATE "C" NOT NULL,
    node_id            integer NOT NULL,
    as_of              timestamptz NOT NULL,
    as_of_ns           bigint NOT NULL,
    method             text COLLATE "C" NOT NULL,
    horizon_days       integer NOT NULL,
    confidence         double precision NOT NULL,
    revision           integer NOT NULL,
    currency           text COLLATE "C" NOT NULL,
    value_at_risk      double precision NOT NULL CHECK (abs(value_at_risk) < 'Infinity'),
    expected_shortfall double precision NOT NULL CHECK (abs(expected_shortfall) < 'Infinity'),
    scenario_count     integer NOT NULL,
    log_seq            bigint NOT NULL,
    stale_share        double precision NOT NULL CHECK (abs(stale_share) < 'Infinity'),
    proxied_share      double precision NOT NULL CHECK (abs(proxied_share) < 'Infinity'),
    thin_share         double precision NOT NULL CHECK (abs(thin_share) < 'Infinity'),
    status             text COLLATE "C" NOT NULL,
    shard_id           text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, node_id, as_of, method, horizon_days, confidence, revision)
);
COMMENT ON TABLE risk_results IS 'Final value at risk and expected shortfall of each node: one row a method, horizon, confidence and revision';
COMMENT ON COLUMN risk_results.run_id IS 'Identity of everything that shapes the number (table runs)';
COMMENT ON COLUMN risk_results.as_of IS 'End of the bucket of event time';
COMMENT ON COLUMN risk_results.confidence IS 'For example 0.99';
COMMENT ON COLUMN risk_results.revision IS 'Corrections effective by as_of when it was calculated; the highest is the one to use';
COMMENT ON COLUMN risk_results.value_at_risk IS 'Loss in the row''s currency, positive for a loss; may be negative';
COMMENT ON COLUMN risk_results.expected_shortfall IS 'Mean loss beyond the value at risk, same sign and currency';
COMMENT ON COLUMN risk_results.log_seq IS 'Log records folded in';
COMMENT ON COLUMN risk_results.stale_share IS 'Share of gross exposure with old prices, 0 to 1';
COMMENT ON COLUMN risk_results.proxied_share IS 'Share of gross exposure with moves taken from a proxy, 0 to 1';
COMMENT ON COLUMN risk_results.thin_share IS 'Share of gross exposure with too little history, 0 to 1';
COMMENT ON COLUMN risk_results.status IS 'ok, or what degrades the number';
COMMENT ON COLUMN risk_results.shard_id IS 'Shard that committed the row last; not part of the number';

CREATE TABLE day_closes (
    run_id                      text COLLATE "C" NOT NULL,
    node_id                     integer NOT NULL,
    date                        date NOT NULL,
    as_of                       timestamptz NOT NULL,
    as_of_ns                    bigint NOT NULL,
    method                      text COLLATE "C" NOT NULL,
    horizon_days                integer NOT NULL,
    confidence                  double precision NOT NULL,
    revision                    integer NOT NULL,
    currency                    text COLLATE "C" NOT NULL,
    forecast_value_at_risk      double precision NOT NULL CHECK (abs(forecast_value_at_risk) < 'Infinity'),
    forecast_expected_shortfall double precision NOT NULL CHECK (abs(forecast_expected_shortfall) < 'Infinity'),
    hypothetical_pnl            double precision NOT NULL CHECK (abs(hypothetical_pnl) < 'Infinity'),
    actual_pnl                  double precision NOT NULL CHECK (abs(actual_pnl) < 'Infinity'),
    fees                        double precision NOT NULL CHECK (abs(fees) < 'Infinity'),
    exception_hypothetical      boolean NOT NULL,
    exception_actual            boolean NOT NULL,
    status                      text COLLATE "C" NOT NULL,
    shard_id                    text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, node_id, as_of, method, horizon_days, confidence, revision)
);
COMMENT ON TABLE day_closes IS 'Each day''s P&L against the forecast frozen at the close before';
COMMENT ON COLUMN day_closes.forecast_value_at_risk IS 'Loss-positive, frozen at the close of the day before';
COMMENT ON COLUMN day_closes.hypothetical_pnl IS 'Gain-positive P&L of the day before''s positions';
COMMENT ON COLUMN day_closes.actual_pnl IS 'Gain-positive P&L of the day, with its trades';
COMMENT ON COLUMN day_closes.exception_hypothetical IS 'Hypothetical loss beyond the forecast value at risk';
COMMENT ON COLUMN day_closes.exception_actual IS 'Actual loss beyond the forecast value at risk';

CREATE TABLE scenario_sets (
    run_id   text COLLATE "C" NOT NULL,
    as_of    timestamptz NOT NULL,
    as_of_ns bigint NOT NULL,
    date     date NOT NULL,
    revision integer NOT NULL,
    log_seq  bigint NOT NULL,
    shock    bytea NOT NULL CHECK (length(shock) = 8 * length(proxied)),
    proxied  bytea NOT NULL,
    PRIMARY KEY (run_id, as_of_ns, revision)
);
ALTER TABLE scenario_sets ALTER COLUMN shock SET STORAGE EXTERNAL;
COMMENT ON TABLE scenario_sets IS 'Each day''s joint moves: what a day close adds to the scenario set. Shards share the rows';
COMMENT ON COLUMN scenario_sets.shock IS 'float64, little-endian, by ascending instrument id: simple returns, or differences of absolute-shock instruments';
COMMENT ON COLUMN scenario_sets.proxied IS 'uint8 by ascending instrument id: 1 where the move is a proxy''s';

-- Two statements, each with its own view of what others committed: insert, or compare with what is there.
CREATE FUNCTION keep_scenario(run text, at timestamptz, at_ns bigint, day date, rev integer, seq bigint, moves bytea, proxies bytea)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO scenario_sets (run_id, as_of, as_of_ns, date, revision, log_seq, shock, proxied)
    VALUES (run, at, at_ns, day, rev, seq, moves, proxies) ON CONFLICT DO NOTHING;
    IF NOT FOUND AND NOT EXISTS (
        SELECT FROM scenario_sets WHERE run_id = run AND as_of_ns = at_ns AND revision = rev
        AND date = day AND log_seq = seq AND shock = moves AND proxied = proxies
    ) THEN
        RAISE EXCEPTION 'scenario row of % at %, revision %, is kept with other values', run, at, rev USING ERRCODE = 'PL002';
    END IF;
END $$;
COMMENT ON FUNCTION keep_scenario IS 'Adds a row that shards share, or fails with PL002 where it is kept with other values';

-- --------------------------------------------------------------------- the log
CREATE TABLE log_records (
    log_seq     bigint PRIMARY KEY CHECK (log_seq > 0),
    position    bytea NOT NULL,
    payload     bytea NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE log_records ALTER COLUMN payload SET STORAGE EXTERNAL;
COMMENT ON TABLE log_records IS 'The ordered log, verbatim and without gaps: the log of record after broker retention';

CREATE TABLE ticks (
    event_time    timestamptz NOT NULL,
    event_ns      bigint NOT NULL,
    instrument_id integer NOT NULL,
    price         double precision NOT NULL,
    source_id     bigint NOT NULL,
    source_seq    bigint NOT NULL,
    log_seq       bigint NOT NULL,
    ordinal       integer NOT NULL
);
CREATE INDEX ticks_instrument ON ticks (instrument_id, event_time DESC);
COMMENT ON TABLE ticks IS 'Prices as logged, unpacked; a batch that a source appended twice is here twice, and folded once';
COMMENT ON COLUMN ticks.log_seq IS 'The record that carried it (table log_records)';
COMMENT ON COLUMN ticks.ordinal IS 'Place in that record, from 0';

CREATE TABLE fills (
    source_id     bigint NOT NULL,
    source_seq    bigint NOT NULL,
    ordinal       integer NOT NULL,
    log_seq       bigint NOT NULL,
    event_time    timestamptz NOT NULL,
    event_ns      bigint NOT NULL,
    fill_id       text COLLATE "C" NOT NULL,
    node_id       integer NOT NULL,
    instrument_id integer NOT NULL,
    quantity      bigint NOT NULL,
    price         double precision NOT NULL,
    fees          double precision NOT NULL,
    correction_id text COLLATE "C",
    superseded_by text COLLATE "C",
    PRIMARY KEY (source_id, source_seq, ordinal)
);
CREATE INDEX fills_node ON fills (node_id, event_ns DESC, log_seq DESC, ordinal DESC);
CREATE INDEX fills_fill ON fills (fill_id);
COMMENT ON TABLE fills IS 'Accepted fills, and the fills that corrections put in their place';
COMMENT ON COLUMN fills.quantity IS 'Millionths of a unit, negative for a sale';
COMMENT ON COLUMN fills.correction_id IS 'The correction that brought this row';
COMMENT ON COLUMN fills.superseded_by IS 'The correction that replaced or cancelled this row; null while it counts';

-- -------------------------------------------------------------- runs and the book
CREATE TABLE runs (
    run_id        text COLLATE "C" PRIMARY KEY,
    ordinal       bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    parent_run_id text COLLATE "C",
    genesis       bytea NOT NULL,
    description   jsonb NOT NULL,
    first_log_seq bigint NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE runs IS 'Everything that shapes a run''s numbers, hashed into its id';
COMMENT ON COLUMN runs.ordinal IS 'Order of registration; the greatest is the latest run';
COMMENT ON COLUMN runs.genesis IS 'The genesis record of the log, verbatim';

CREATE TABLE instruments (
    run_id        text COLLATE "C" NOT NULL REFERENCES runs ON DELETE CASCADE,
    instrument_id integer NOT NULL,
    symbol        text COLLATE "C" NOT NULL,
    asset_class   text COLLATE "C" NOT NULL,
    currency      text COLLATE "C" NOT NULL,
    proxy_id      integer,
    shock         text COLLATE "C" NOT NULL,
    fx_currency   text COLLATE "C",
    adjusted      boolean NOT NULL,
    synthetic     boolean NOT NULL,
    PRIMARY KEY (run_id, instrument_id)
);
COMMENT ON TABLE instruments IS 'Instruments of a run''s book';
COMMENT ON COLUMN instruments.proxy_id IS 'Instrument whose return stands in for a missing one; null takes the book''s default';
COMMENT ON COLUMN instruments.adjusted IS 'Its prices are adjusted closes';
COMMENT ON COLUMN instruments.synthetic IS 'Its prices are invented';

CREATE TABLE nodes (
    run_id      text COLLATE "C" NOT NULL REFERENCES runs ON DELETE CASCADE,
    node_id     integer NOT NULL,
    ordinal     integer NOT NULL,
    name        text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    parent_id   integer,
    currency    text COLLATE "C" NOT NULL,
    description text NOT NULL,
    PRIMARY KEY (run_id, node_id)
);
COMMENT ON TABLE nodes IS 'The tree of firm, desks and portfolios of a run''s book; parents have the lower ordinal';

CREATE TABLE dead_letters (
    letter_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reason      text COLLATE "C" NOT NULL,
    detail      text NOT NULL,
    source      text NOT NULL,
    received_at timestamptz NOT NULL,
    received_ns bigint NOT NULL,
    raw         bytea NOT NULL
);
COMMENT ON TABLE dead_letters IS 'Refused messages with their raw bytes; the oldest give way beyond a bound';

-- ------------------------------------------------- stable views for people and BI tools
CREATE VIEW v_latest_results AS
SELECT r.run_id, r.node_id, n.name AS node, n.kind, n.parent_id, r.as_of, r.method, r.horizon_days, r.confidence, r.revision, r.currency,
       r.value_at_risk, r.expected_shortfall, r.scenario_count, r.stale_share, r.proxied_share, r.thin_share, r.status, r.log_seq,
       r.run_id = (SELECT run_id FROM runs ORDER BY ordinal DESC LIMIT 1) AS is_latest_run
FROM nodes AS n
CROSS JOIN LATERAL (
    SELECT as_of FROM risk_results WHERE run_id = n.run_id AND node_id = n.node_id ORDER BY as_of DESC LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (method, horizon_days, confidence) * FROM risk_results
    WHERE run_id = n.run_id AND node_id = n.node_id AND as_of = newest.as_of
    ORDER BY method, horizon_days, confidence, revision DESC
) AS r;
COMMENT ON VIEW v_latest_results IS 'Newest final numbers of every node, newest revision; columns are only ever added';

CREATE VIEW v_day_closes AS
SELECT DISTINCT ON (d.run_id, d.node_id, d.as_of, d.method, d.horizon_days, d.confidence)
       d.run_id, d.node_id, n.name AS node, n.kind, n.parent_id, d.date, d.as_of, d.method, d.horizon_days, d.confidence, d.revision, d.currency,
       d.forecast_value_at_risk, d.forecast_expected_shortfall, d.hypothetical_pnl, d.actual_pnl, d.fees,
       d.exception_hypothetical, d.exception_actual, d.status,
       d.run_id = (SELECT run_id FROM runs ORDER BY ordinal DESC LIMIT 1) AS is_latest_run
FROM day_closes AS d
LEFT JOIN nodes AS n ON n.run_id = d.run_id AND n.node_id = d.node_id
ORDER BY d.run_id, d.node_id, d.as_of, d.method, d.horizon_days, d.confidence, d.revision DESC;
COMMENT ON VIEW v_day_closes IS 'Forecast against P&L of every node and day, newest revision; columns are only ever added';
