-- What is said of instruments: regimes and volatility at each day close, the models behind them, change points.
CREATE TABLE regime_states (
    run_id        text COLLATE "C" NOT NULL,
    instrument_id integer NOT NULL,
    as_of         timestamptz NOT NULL,
    as_of_ns      bigint NOT NULL,
    date          date NOT NULL,
    revision      integer NOT NULL,
    log_seq       bigint NOT NULL,
    price         double precision NOT NULL CHECK (abs(price) < 'Infinity'),
    move          double precision CHECK (abs(move) < 'Infinity'),
    model_version integer NOT NULL,
    labels        text[] NOT NULL,
    filtered      double precision[] NOT NULL,
    ahead         double precision[] NOT NULL,
    volatility    double precision CHECK (volatility < 'Infinity'),
    status        text COLLATE "C" NOT NULL,
    shard_id      text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, instrument_id, as_of, revision)
);
COMMENT ON TABLE regime_states IS 'Regime and volatility of an instrument as known at each day close';
COMMENT ON COLUMN regime_states.revision IS 'Corrections effective by as_of when it was calculated; the highest is the one to use';
COMMENT ON COLUMN regime_states.price IS 'At the close';
COMMENT ON COLUMN regime_states.move IS 'Of the day: a simple return, or a difference where shocks are absolute; null where the instrument was not seen';
COMMENT ON COLUMN regime_states.model_version IS 'Counts the regime models in use, from 1 (table regime_models)';
COMMENT ON COLUMN regime_states.labels IS 'Of the states, in the order of the chances';
COMMENT ON COLUMN regime_states.filtered IS 'Chances of the state of this day given all to this day';
COMMENT ON COLUMN regime_states.ahead IS 'Chances of the state of the next day';
COMMENT ON COLUMN regime_states.volatility IS 'Standard deviation forecast for the next day; null while no volatility model is in use';
COMMENT ON COLUMN regime_states.status IS 'ok, or missing: the day had no move of its own';
COMMENT ON COLUMN regime_states.shard_id IS 'Shard that committed the row last; not part of the number';

CREATE TABLE regime_models (
    run_id        text COLLATE "C" NOT NULL,
    instrument_id integer NOT NULL,
    as_of         timestamptz NOT NULL,
    as_of_ns      bigint NOT NULL,
    date          date NOT NULL,
    kind          text COLLATE "C" NOT NULL,
    revision      integer NOT NULL,
    log_seq       bigint NOT NULL,
    model_version integer NOT NULL,
    observations  integer NOT NULL,
    status        text COLLATE "C" NOT NULL,
    reason        text NOT NULL,
    parameters    jsonb NOT NULL,
    used          boolean NOT NULL,
    shard_id      text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, instrument_id, as_of, kind, revision)
);
COMMENT ON TABLE regime_models IS 'Every refit of a regime or volatility model, and what became of it';
COMMENT ON COLUMN regime_models.kind IS 'regimes or volatility';
COMMENT ON COLUMN regime_models.observations IS 'Moves that the fit looked at';
COMMENT ON COLUMN regime_models.status IS 'ok, or what the refit says of itself; where it was not used the former parameters stay';
COMMENT ON COLUMN regime_models.used IS 'Whether its own parameters are in use from this close on, or still those of before';
COMMENT ON COLUMN regime_models.parameters IS 'In use from this close on; empty while there are none';

CREATE TABLE change_points (
    run_id        text COLLATE "C" NOT NULL,
    instrument_id integer NOT NULL,
    as_of         timestamptz NOT NULL,
    as_of_ns      bigint NOT NULL,
    date          date NOT NULL,
    detector      text COLLATE "C" NOT NULL,
    revision      integer NOT NULL,
    log_seq       bigint NOT NULL,
    direction     text COLLATE "C" NOT NULL,
    statistic     double precision NOT NULL CHECK (abs(statistic) < 'Infinity'),
    threshold     double precision NOT NULL CHECK (abs(threshold) < 'Infinity'),
    shard_id      text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, instrument_id, as_of, detector, revision)
);
COMMENT ON TABLE change_points IS 'Alarms of the detectors that watch each instrument; a detector begins anew after its alarm';
COMMENT ON COLUMN change_points.detector IS 'volatility (fast over slow) or drift (CUSUM in slow volatilities)';
COMMENT ON COLUMN change_points.direction IS 'up or down';
COMMENT ON COLUMN change_points.threshold IS 'The statistic above which there is an alarm';
