import uPlot from 'uplot';

import { color } from './theme.svelte.ts';

/** What plots through time share: axes, and the range of days in view. Times are in seconds. */

export type Range = '1Y' | '3Y' | 'All';
export const RANGES = (['1Y', '3Y', 'All'] as Range[]).map((value) => ({ value, label: value }));
export const DAY = 86_400;
const YEARS: Record<Range, number> = { '1Y': 1, '3Y': 3, All: Infinity };
/** Room right of the last day, as a share of the range. */
const AHEAD = 0.02;

/** Whole pixels: uPlot reads the size out of this text to space its lines. */
const FONT = "12px 'IBM Plex Sans Variable', sans-serif";
export const axis = (): Partial<uPlot.Axis> => ({
  stroke: () => color('text-3'),
  font: FONT,
  grid: { stroke: () => color('line'), width: 1 },
  ticks: { show: false },
});
export const timeAxis = (): Partial<uPlot.Axis> => ({ ...axis(), space: 70, size: 34, gap: 2 });
export const utc = (seconds: number): Date => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC');

export interface View {
  min: number;
  max: number;
}

/** The newest days of a preset; null without any day. */
export function presetRange(times: readonly number[], range: Range): View | null {
  const [first, last] = [times[0], times.at(-1)];
  if (first === undefined || last === undefined) return null;
  const min = Math.max(first, last - YEARS[range] * 365.25 * DAY);
  return { min: min - DAY, max: last + Math.max(4 * DAY, (last - min) * AHEAD) };
}

/** A range cut to where there are days. */
export function within(times: readonly number[], min: number, max: number): View {
  const [first, last] = [times[0] ?? min, times.at(-1) ?? max];
  return { min: Math.max(min, first - 3 * DAY), max: Math.min(max, last + Math.max(4 * DAY, (last - first) * AHEAD)) };
}
