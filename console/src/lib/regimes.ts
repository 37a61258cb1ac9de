import { CORRECTED, extend, seconds } from './closes.ts';
import type { ChangePoint, Followed, RegimeModel, RegimeParameters, Regimes, RegimeState, Shock } from './contract.ts';
import { day, decimal, percent } from './format.ts';

/** What the service keeps about one instrument, oldest first. */
export interface RegimeHistory {
  states: RegimeState[];
  models: RegimeModel[];
  changes: ChangePoint[];
}

const DAYS_OF_A_YEAR = 252;
const THIRD_NEUTRAL = 3;

/** From where on to read, given what is held. */
export const readFrom = (held: RegimeHistory | null): string | undefined => held?.states.at(-CORRECTED)?.as_of_ns;

export const joined = (held: RegimeHistory | null, more: RegimeHistory): RegimeHistory => ({
  states: extend(held?.states ?? [], more.states),
  models: extend(held?.models ?? [], more.models),
  changes: extend(held?.changes ?? [], more.changes),
});

/** The gravest first: so they are stacked from zero up, and listed. */
const ORDER = ['crisis', 'bear', 'neutral', 'neutral_1', 'neutral_2', 'neutral_3', 'calm', 'bull'];
const rank = (label: string): number => (ORDER.indexOf(label) < 0 ? ORDER.length : ORDER.indexOf(label));

/** The colour of a regime: one for each label, wherever it is drawn. */
export function regimeColor(label: string): string {
  const neutral = /^neutral_([1-9])$/.exec(label)?.[1];
  if (neutral !== undefined) return Number(neutral) === 1 ? 'regime-neutral' : `regime-neutral-${Math.min(THIRD_NEUTRAL, Number(neutral))}`;
  return ORDER.includes(label) ? `regime-${label}` : 'regime-other';
}

/** Labels with their places in a model, the gravest first. */
export const ordered = (labels: readonly string[]): { label: string; at: number }[] =>
  labels.map((label, at) => ({ label, at })).sort((a, b) => rank(a.label) - rank(b.label));

/** Each label of a state with its chance, the gravest first. */
export const chancesOf = (labels: readonly string[], chances: readonly number[]): { label: string; chance: number }[] =>
  ordered(labels).map(({ label, at }) => ({ label, chance: chances[at] ?? 0 }));

/** The likeliest label; the gravest of several. */
export const likeliest = (labels: readonly string[], chances: readonly number[]): { label: string; chance: number } =>
  chancesOf(labels, chances).reduce((best, one) => (one.chance > best.chance ? one : best), { label: '', chance: -1 });

/** Days `from` to `to`, by index and both of them, in one likeliest regime. */
export interface Span {
  from: number;
  to: number;
  label: string;
}

/** Regime states as columns for drawing. */
export interface RegimeSeries {
  time: number[];
  price: number[];
  /** Of a year. */
  volatility: (number | null)[];
  labels: string[];
  /** For each label the sum of its chance and of those before it, so that areas stack up to one. */
  stacked: number[][];
  spans: Span[];
}

export const yearly = (volatility: number | null): number | null => (volatility === null ? null : volatility * Math.sqrt(DAYS_OF_A_YEAR));

export function regimeSeries(states: readonly RegimeState[]): RegimeSeries {
  const labels = [...new Set(states.flatMap((s) => s.labels))].sort((a, b) => rank(a) - rank(b));
  const sums = states.map(() => 0);
  const stacked = labels.map((label) => states.map((s, i) => (sums[i] = (sums[i] ?? 0) + (s.filtered[s.labels.indexOf(label)] ?? 0))));
  const spans: Span[] = [];
  states.forEach((s, i) => {
    const { label } = likeliest(s.labels, s.filtered);
    const last = spans.at(-1);
    if (last?.label === label) last.to = i;
    else spans.push({ from: i, to: i, label });
  });
  return {
    time: states.map((s) => seconds(s.date)),
    price: states.map((s) => s.price),
    volatility: states.map((s) => yearly(s.volatility)),
    labels, stacked, spans,
  };
}

/** A move, or what is in its unit: percent of a price, or a difference of prices. */
export const inUnit = (value: number | null | undefined, shock: Shock, digits = 2): string =>
  shock === 'relative' ? percent(value, digits) : decimal(value, digits);

const DETECTORS: Record<string, string> = { volatility: 'Volatility', drift: 'Drift' };
export const detectorName = (detector: string): string => DETECTORS[detector] ?? detector.replaceAll('_', ' ');
/** A sign of its own for each detector and direction. */
export const changeSign = (change: ChangePoint): string => (change.detector === 'volatility' ? '◆' : change.direction === 'up' ? '▲' : '▼');
export const changeTold = (c: ChangePoint): string =>
  `${detectorName(c.detector)} ${c.direction} on ${day(c.date)}: ${decimal(c.statistic, 2)} beyond ${decimal(c.threshold, 2)}`;

export interface Verdict {
  word: string;
  tone: '' | 'warn' | 'alarm';
  meaning: string;
}

/** What became of a refit. */
export function verdict(model: RegimeModel): Verdict {
  const word = model.status.replaceAll('_', ' ');
  if (!model.used) {
    const none = Object.keys(model.parameters).length === 0;
    return { word: `refused: ${word}`, tone: 'alarm', meaning: none ? 'There is no model yet.' : 'The former parameters stay in use.' };
  }
  if (model.status === 'ok') return { word: 'used', tone: '', meaning: 'The refit is in use.' };
  if (model.status === 'relabelled') {
    return { word, tone: 'warn', meaning: 'In use, with labels given anew: a name means another state from this day on.' };
  }
  return { word: `used: ${word}`, tone: '', meaning: 'In use, with a doubt that the fit itself names.' };
}

/** The regime model in use and the day it was fitted: a refused refit goes on with that of an earlier day. */
export function modelInUse(models: readonly RegimeModel[]): { parameters: RegimeParameters; since: string; version: number } | null {
  const regimes = models.filter((m) => m.kind === 'regimes' && 'labels' in m.parameters);
  const newest = regimes.at(-1);
  if (!newest) return null;
  const taken = regimes.findLast((m) => m.used) ?? newest;
  return { parameters: newest.parameters as unknown as RegimeParameters, since: taken.date, version: newest.model_version };
}

/** Why there is nothing to show; empty where there is something. */
export function absence({ settings }: Regimes, chosen: Followed | null, models: readonly RegimeModel[]): string {
  if (chosen?.state) return '';
  if (chosen) {
    const failed = models.findLast((m) => m.kind === 'regimes' && !m.used);
    const why = failed ? ` The fit of ${day(failed.date)} failed: ${failed.reason}. The next comes within ${settings.every} closes.` : '';
    return `${chosen.symbol} has no model yet: the first fit comes after ${settings.first} closes (RISK_REGIMES__FIRST).${why}`;
  }
  if (settings.run_length === 0) {
    return 'Nothing is watched in this run: it began with RISK_REGIMES__ENABLED=false, or before there was a watch. Settings of a run do not change: begin a new one with it set to true.';
  }
  return 'No instrument is followed in this run: the book has no default proxy, and RISK_REGIMES__OF names none. Settings of a run do not change: name symbols there and begin a new one.';
}
