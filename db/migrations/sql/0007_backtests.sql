-- Zones day by day. What is judged again is noted where it is judged, in the same transaction: nothing is missed, in whatever order rows come.
CREATE TABLE backtest_results (
    run_id               text COLLATE "C" NOT NULL,
    node_id              integer NOT NULL,
    date                 date NOT NULL,
    as_of                timestamptz NOT NULL,
    as_of_ns             bigint NOT NULL,
    method               text COLLATE "C" NOT NULL,
    horizon_days         integer NOT NULL,
    confidence           double precision NOT NULL,
    outcome              text COLLATE "C" NOT NULL,
    window_days          integer NOT NULL,
    revision             integer NOT NULL,
    observations         integer NOT NULL,
    exceptions           integer NOT NULL,
    expected             double precision NOT NULL CHECK (abs(expected) < 'Infinity'),
    zone                 text COLLATE "C" NOT NULL,
    zone_before          text COLLATE "C",
    type_i               double precision NOT NULL CHECK (abs(type_i) < 'Infinity'),
    multiplier_mar32     double precision NOT NULL CHECK (abs(multiplier_mar32) < 'Infinity'),
    multiplier_basel_2_5 double precision NOT NULL CHECK (abs(multiplier_basel_2_5) < 'Infinity'),
    kupiec_p             double precision CHECK (abs(kupiec_p) < 'Infinity'),
    independence_p       double precision CHECK (abs(independence_p) < 'Infinity'),
    conditional_p        double precision CHECK (abs(conditional_p) < 'Infinity'),
    PRIMARY KEY (run_id, node_id, as_of, method, horizon_days, confidence, outcome, window_days, revision)
);
COMMENT ON TABLE backtest_results IS 'In which zone each method of each node stood after each judged day, and what the tests of its exceptions say';
COMMENT ON COLUMN backtest_results.outcome IS 'hypothetical or actual: the P&L that the forecast was held against';
COMMENT ON COLUMN backtest_results.window_days IS 'Judged days looked back on, at most';
COMMENT ON COLUMN backtest_results.revision IS 'That of the judged day; the highest is the one to use';
COMMENT ON COLUMN backtest_results.zone_before IS 'After the judged day before; null for the first. Another zone is a change';
COMMENT ON COLUMN backtest_results.type_i IS 'Chance of so many exceptions or more if the forecast is right';
COMMENT ON COLUMN backtest_results.kupiec_p IS 'Proportion of failures, asymptotic; null where the counts say nothing';

CREATE TABLE backtests_due (
    due_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id  text COLLATE "C" NOT NULL,
    node_id integer NOT NULL,
    method  text COLLATE "C" NOT NULL,
    from_ns bigint NOT NULL
);
COMMENT ON TABLE backtests_due IS 'Judged days that zones do not hold yet: the backtest worker takes them and deletes them with what it writes';

CREATE FUNCTION note_backtests_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO backtests_due (run_id, node_id, method, from_ns)
    SELECT run_id, node_id, method, min(as_of_ns) FROM added GROUP BY run_id, node_id, method
    ORDER BY run_id, node_id, method;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION note_backtests_due IS 'After rows are added to day_closes';
CREATE TRIGGER day_closes_added AFTER INSERT ON day_closes REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION note_backtests_due();

INSERT INTO backtests_due (run_id, node_id, method, from_ns)
SELECT run_id, node_id, method, min(as_of_ns) FROM day_closes GROUP BY run_id, node_id, method
ORDER BY run_id, node_id, method;
