import type { MethodNumbers, Run } from './contract.ts';

/** One number with its interval, as shares of the axis in percent; a side that is null has no bound. */
export interface Mark {
  at: number;
  from: number | null;
  to: number | null;
}

export interface IntervalRow {
  method: string;
  label: string;
  numbers: MethodNumbers | null;
  var: Mark | null;
  es: Mark | null;
}

export interface IntervalPlot {
  rows: IntervalRow[];
  ticks: { at: number; value: number }[];
}

const TICKS = 4;

/** Lay the methods of a run side by side on one axis, which holds all numbers and, as far as twice the largest number, their bounds. */
export function plotIntervals(run: Run, items: readonly MethodNumbers[], confidence: number): IntervalPlot {
  const of = new Map(items.filter((n) => n.confidence === confidence).map((n) => [n.method, n]));
  const known = [...of.values()];
  const numbers = known.flatMap((n) => [n.var, n.es]).filter((v) => v !== null);
  const bounds = known.flatMap((n) => [n.var_lower, n.var_upper, n.es_lower, n.es_upper]).filter((v) => v !== null);
  const most = 2 * Math.max(0, ...numbers.map(Math.abs));
  const ends = [0, ...numbers, ...bounds.map((b) => Math.max(-most, Math.min(most, b)))];
  const step = niceStep((Math.max(...ends) - Math.min(...ends)) / TICKS);
  const low = Math.floor(Math.min(...ends) / step) * step;
  const high = Math.max(Math.ceil(Math.max(...ends) / step) * step, low + step);
  const place = (v: number): number => (100 * (Math.max(low, Math.min(high, v)) - low)) / (high - low);
  const mark = (at: number | null, from: number | null, to: number | null): Mark | null =>
    at === null ? null : { at: place(at), from: from === null ? null : place(from), to: to === null ? null : place(to) };
  const rows = run.methods.map((m) => {
    const n = of.get(m.name) ?? null;
    return {
      method: m.name,
      label: m.label,
      numbers: n,
      var: n && mark(n.var, n.var_lower, n.var_upper),
      es: n && mark(n.es, n.es_lower, n.es_upper),
    };
  });
  const count = Math.round((high - low) / step);
  const ticks = Array.from({ length: count + 1 }, (_, k) => ({ at: (100 * k) / count, value: low + k * step }));
  return { rows, ticks };
}

function niceStep(span: number): number {
  if (!(span > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(span));
  return ([1, 2, 2.5, 5].find((m) => m * unit >= span) ?? 10) * unit;
}
