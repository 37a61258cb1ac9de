import type { DayClose } from './contract.ts';

/** Day closes as columns for drawing: seconds, then losses below zero, so that P&L and the load line share one axis. */
export interface CloseSeries {
  rows: readonly DayClose[];
  time: number[];
  line: (number | null)[];
  shortfall: (number | null)[];
  calm: (number | null)[];
  exception: (number | null)[];
}

export const seconds = (date: string): number => Date.parse(`${date.slice(0, 10)}T00:00:00Z`) / 1000;
const negated = (value: number | null): number | null => (value === null ? null : -value);

export function closeSeries(rows: readonly DayClose[]): CloseSeries {
  return {
    rows,
    time: rows.map((r) => seconds(r.date)),
    line: rows.map((r) => negated(r.forecast_var)),
    shortfall: rows.map((r) => negated(r.forecast_es)),
    calm: rows.map((r) => (r.exception_hypothetical ? null : r.hypothetical_pnl)),
    exception: rows.map((r) => (r.exception_hypothetical ? r.hypothetical_pnl : null)),
  };
}

/** Days that a correction can reach, by the service's own default: what is kept of them is read again with each new one. */
export const CORRECTED = 260;

/** What is held, with newer rows laid over it by date; both oldest first. */
export function extend<T extends { date: string }>(held: readonly T[], more: readonly T[]): T[] {
  const first = more[0];
  if (!first) return [...held];
  const cut = held.findIndex((r) => r.date >= first.date);
  return [...(cut < 0 ? held : held.slice(0, cut)), ...more];
}

/** Loss over the line that was set for it: above one on every exception with a positive line. */
export function lossRatio(row: DayClose): number | null {
  const { hypothetical_pnl: pnl, forecast_var: line } = row;
  return pnl === null || line === null || line <= 0 ? null : -pnl / line;
}

/** Judged days and exceptions within [from, to] seconds; a day without a forecast is not judged. */
export function count(series: CloseSeries, from: number, to: number): { days: number; exceptions: number } {
  let days = 0;
  let exceptions = 0;
  series.time.forEach((t, i) => {
    if (t < from || t > to || series.line[i] === null) return;
    days += 1;
    if (series.exception[i] !== null) exceptions += 1;
  });
  return { days, exceptions };
}
