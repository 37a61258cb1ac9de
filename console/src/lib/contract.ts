/** The HTTP contract of the service, as types. Losses are positive: VaR and ES may be negative, and are shown as they are. */

export interface Measure {
  var: number | null;
  es: number | null;
  status: string;
}

/** method → confidence → measure */
export type Measures = Record<string, Record<string, Measure>>;

export interface Quality {
  stale_share: number;
  proxied_share: number;
  thin_share: number;
}

export interface Live {
  log_seq: number;
  event_time: string;
  market_value: number | null;
  pnl: number | null;
  measures: Measures;
  quality: Quality;
}

export interface Final {
  as_of: string;
  revision: number;
  log_seq: number;
  measures: Measures;
  quality: Quality;
}

export interface LastClose {
  date: string;
  hypothetical_pnl: number;
  actual_pnl: number;
  exceptions: string[];
}

export interface Snapshot {
  node_id: number;
  live: Live | null;
  final: Final | null;
  last_close: LastClose | null;
}

export interface Method {
  name: string;
  label: string;
  description: string;
  /** Evaluated with every tick; the others are challengers, evaluated for each day close beside the stream. */
  streamed: boolean;
}

export interface Run {
  run_id: string;
  profile: string;
  mode: 'replay' | 'live';
  state: 'seeding' | 'running' | 'finished' | 'stopped';
  clock: {
    as_of: string | null;
    first: string | null;
    last: string | null;
    days_done: number;
    days_total: number | null;
    /** Days folded in before the first result. */
    seed_done: number;
    seed_total: number;
    speed: 'max' | number;
    days_per_second: number;
  };
  methods: Method[];
  confidences: number[];
  base_currency: string;
  log_seq: number;
  counts: { ticks: number; results: number; rejected: Record<string, number>; late: number };
  data_note: string;
  version: string;
}

export interface BookNode {
  node_id: number;
  name: string;
  kind: string;
  parent_id: number | null;
  currency: string;
  description: string;
}

export interface DayClose {
  date: string;
  as_of: string;
  forecast_var: number | null;
  forecast_es: number | null;
  hypothetical_pnl: number | null;
  actual_pnl: number | null;
  exception_hypothetical: boolean;
  exception_actual: boolean;
  status: string;
  revision: number;
}

export interface Component {
  instrument_id: number;
  symbol: string;
  quantity: number;
  price: number;
  exposure: number;
  component_var: number;
  component_es: number;
  marginal_var: number;
}

export interface Components {
  node_id: number;
  as_of: string | null;
  as_of_ns: string;
  method: string;
  confidence: number;
  value_at_risk: number | null;
  expected_shortfall: number | null;
  currency: string;
  items: Component[];
  sum_component_var: number;
  sum_component_es: number;
  /** What the attribution of its result can be grouped by. */
  groupings: string[];
}

export interface AttributionPart {
  component: number;
  share: number | null;
  marginal: number | null;
  standalone: number;
  incremental: number;
}

export interface AttributionItem {
  key: string;
  label: string;
  market_value: number;
  gross_value: number;
  var: AttributionPart;
  es: AttributionPart;
}

/** A result by groups of holdings; its totals are the result's own unless smoothed. */
export interface Attribution {
  result_id: string;
  by: string;
  total_var: number;
  total_es: number;
  diversification_var: number;
  diversification_es: number;
  items: AttributionItem[];
}

export interface Position {
  instrument_id: number;
  symbol: string;
  quantity: number;
  price: number | null;
  price_time: string | null;
  market_value: number | null;
  currency: string;
}

export interface Positions {
  node_id: number;
  as_of: string | null;
  currency: string;
  items: Position[];
}

/** The newest final numbers of one method at one confidence; challengers may be behind the others. */
export interface MethodNumbers {
  method: string;
  confidence: number;
  as_of: string;
  as_of_ns: string;
  var: number | null;
  es: number | null;
  status: string;
  /** Bounds of the intervals of nominal coverage 0.95; null where the scenarios set none. */
  var_lower: number | null;
  var_upper: number | null;
  es_lower: number | null;
  es_upper: number | null;
  /** Others of the same scenarios, for methods that have some. */
  measures?: Record<string, number> | null;
}

export type Outcome = 'hypothetical' | 'actual';
/** Basel's traffic light. */
export type Zone = 'green' | 'yellow' | 'red';

export interface BacktestTest {
  key: string;
  name: string;
  statistic: number | null;
  p_value: number | null;
  p_value_exact: number | null;
  decision: 'accept' | 'reject' | 'not_applicable';
  direction: string;
  status: string;
  reading: string;
}

export interface MethodBacktest {
  method: string;
  first_as_of: string;
  last_as_of: string;
  observations: number;
  exceptions: number;
  expected: number;
  zone: Zone;
  /** Chance of so many exceptions or more if the forecast is right. */
  type_i: number;
  multiplier_mar32: number;
  multiplier_basel_2_5: number;
  tests: BacktestTest[];
}

/** Methods without a judged day are left out. */
export interface Backtests {
  node_id: number;
  confidence: number;
  window: number;
  outcome: Outcome;
  items: MethodBacktest[];
}

/** Where a method of a node stood after a judged day. */
export interface ZoneRow {
  node_id: number;
  method: string;
  confidence: number;
  as_of: string;
  as_of_ns: string;
  date: string;
  revision: number;
  observations: number;
  exceptions: number;
  expected: number;
  zone: Zone;
  /** Of the judged day before. */
  zone_before: Zone | null;
  /** Most exceptions of the green and of the yellow zone in so many days. */
  green_most: number;
  yellow_most: number;
  type_i: number;
  multiplier_mar32: number;
  multiplier_basel_2_5: number;
  kupiec_p: number | null;
  independence_p: number | null;
  conditional_p: number | null;
}

/** The newest zones of the whole book. */
export interface Zones {
  outcome: Outcome;
  window: number;
  /** Those that forecast one day ahead: others have no zones. */
  methods: string[];
  items: ZoneRow[];
}

/** Regime and volatility of an instrument as known at a day close. */
export interface RegimeState {
  as_of: string;
  as_of_ns: string;
  date: string;
  revision: number;
  price: number;
  move: number | null;
  model_version: number;
  labels: string[];
  /** Chances of the state of this day, and of the next, in the order of `labels`. */
  filtered: number[];
  ahead: number[];
  /** Forecast for the next day, of a day. */
  volatility: number | null;
  status: string;
}

type Numbers = (number | null)[];

export interface RegimeStatistics {
  label: string;
  days: number;
  share: number;
  mean_return: number | null;
  volatility: number | null;
  sharpe: number | null;
  drawdown: number | null;
  value_at_risk: number | null;
}

/** Of a regime model; null where there is no number. */
export interface RegimeParameters {
  labels: string[];
  transition: Numbers[];
  /** Expected, in days. */
  durations: Numbers;
  errors: { status: string; reason: string; transition: Numbers[]; durations: Numbers };
  statistics: RegimeStatistics[];
}

export interface RegimeModel {
  as_of: string;
  date: string;
  kind: 'regimes' | 'volatility';
  model_version: number;
  observations: number;
  /** Whether its own parameters are in use from then on, or still those of before. */
  used: boolean;
  status: string;
  reason: string;
  /** Those in use afterwards: `RegimeParameters` of a regime model; empty while there are none. */
  parameters: Record<string, unknown>;
}

export interface ChangePoint {
  as_of: string;
  date: string;
  detector: string;
  direction: 'up' | 'down';
  statistic: number;
  threshold: number;
}

export interface WatchSettings {
  regimes_of: string[];
  states: number;
  /** Closes before the first fit. */
  first: number;
  every: number;
  history: number;
  /** Closes between false alarms of change; 0: none is watched. */
  run_length: number;
}

export type Shock = 'relative' | 'absolute';

export interface Followed {
  instrument_id: number;
  symbol: string;
  shock: Shock;
  state: RegimeState | null;
}

/** What is watched, and how it stands. */
export interface Regimes {
  settings: WatchSettings;
  items: Followed[];
}

export interface VolatilityForecast {
  as_of: string;
  model: string;
  innovation: string;
  /** Day of the refit. */
  fitted: string;
  level: number;
  long_run: number | null;
  items: { day: number; volatility: number | null; median: number; lower: number; upper: number }[];
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface Health {
  status: string;
  checks: Record<string, { ok: boolean; detail: string }>;
}

/** RFC 9457. */
export interface ProblemDocument {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  instance?: string;
}

/** The measure of one method at one confidence, however the server spells the number ("0.990" is 0.99). */
export function measureOf(measures: Measures | undefined, method: string, confidence: number): Measure | null {
  const row = measures?.[method];
  if (!row) return null;
  const direct = row[String(confidence)];
  if (direct) return direct;
  const key = Object.keys(row).find((k) => Number(k) === confidence);
  return key === undefined ? null : (row[key] ?? null);
}

/** Whether a close's exception list ("historical@0.99") names this method and confidence. */
export function isException(close: LastClose | null, method: string, confidence: number): boolean {
  return (
    close?.exceptions.some((entry) => {
      const at = entry.lastIndexOf('@');
      return entry.slice(0, at) === method && Number(entry.slice(at + 1)) === confidence;
    }) ?? false
  );
}
