import { CORRECTED, extend, seconds } from './closes.ts';
import type { BookNode, Outcome, Zone, ZoneRow } from './contract.ts';
import { confidenceName, day, decimal } from './format.ts';
import { type TreeRow, visibleRows } from './tree.ts';

/** Judged days that zones look back on, by the service's own default. */
export const WINDOW = 250;

export const OUTCOMES: { value: Outcome; label: string; title: string }[] = [
  { value: 'hypothetical', label: 'Hypothetical', title: 'Profit and loss of the positions of the close before' },
  { value: 'actual', label: 'Actual', title: 'Profit and loss with the day’s trades, before fees' },
];

export const LETTER: Record<Zone, string> = { green: 'G', yellow: 'Y', red: 'R' };

export const chance = (p: number | null | undefined): string => (p === null || p === undefined ? '–' : p < 0.0001 ? '< 0.0001' : p.toFixed(4));

/** Whether the zone is another than on the judged day before. */
export const moved = (row: ZoneRow): boolean => row.zone_before !== null && row.zone_before !== row.zone;

/** G, or G→Y where the zone has just changed. */
export const sign = (row: ZoneRow): string => `${moved(row) && row.zone_before ? `${LETTER[row.zone_before]}→` : ''}${LETTER[row.zone]}`;

/** One row of the map: a node, and its zone by each method. */
export interface MapRow {
  tree: TreeRow;
  cells: { method: string; row: ZoneRow | null }[];
}

/** The whole book as a tree, against methods. */
export function zoneMap(nodes: readonly BookNode[], methods: readonly string[], rows: readonly ZoneRow[]): MapRow[] {
  const found = new Map(rows.map((row) => [`${row.node_id} ${row.method}`, row]));
  return visibleRows(nodes, new Set()).map((tree) => ({
    tree,
    cells: methods.map((method) => ({ method, row: found.get(`${tree.node.node_id} ${method}`) ?? null })),
  }));
}

/** A cell in words. */
export function told(row: ZoneRow): string {
  const change = moved(row) ? `, was ${row.zone_before} the judged day before` : '';
  return `${row.zone}, ${row.exceptions} exceptions in ${row.observations} days, ${decimal(row.expected, 1)} expected${change}; as of ${day(row.date)}`;
}

/** How many of a book stand where, and when: "31 Dec 2008: 3 red, 1 yellow, 12 green at 99 %". */
export function summary(rows: readonly ZoneRow[], confidence: number): string {
  const newest = rows.reduce((latest, row) => (row.date > latest ? row.date : latest), '');
  const counts = (['red', 'yellow', 'green'] as const).map((zone) => `${rows.filter((row) => row.zone === zone).length} ${zone}`);
  return rows.length > 0 ? `${day(newest)}: ${counts.join(', ')} at ${confidenceName(confidence)}` : '';
}

/** Why the map is empty. */
export const absence = (judged: boolean): string =>
  judged
    ? `No zones over ${WINDOW} judged days are kept for this run so far. They come shortly after a day is judged. If they do not, see that RISK_BACKTESTS__ENABLED is true, that RISK_BACKTESTS__WINDOWS has ${WINDOW}, and that the backtest worker runs.`
    : 'No day has been judged yet: the first forecast is judged at the day close after it. Zones are kept from then on, unless RISK_BACKTESTS__ENABLED is false.';

/** From where on to read a history, oldest first, given what is held. */
export const readFrom = (held: readonly ZoneRow[] | null): string | undefined => held?.at(-CORRECTED)?.as_of_ns;

export const joined = (held: readonly ZoneRow[] | null, more: readonly ZoneRow[]): ZoneRow[] => extend(held ?? [], more);

/** First day of the present spell in a zone, of a history oldest first. */
export function since(rows: readonly ZoneRow[]): string | null {
  const zone = rows.at(-1)?.zone;
  const other = rows.findLastIndex((row) => row.zone !== zone);
  return rows[other + 1]?.date ?? null;
}

/** Days `from` to `to`, by index and both of them, of one length of the window: the zones meet at the same counts. */
export interface Limits {
  from: number;
  to: number;
  green: number;
  yellow: number;
}

/** A history as columns for drawing. */
export interface ZoneSeries {
  time: number[];
  exceptions: number[];
  expected: number[];
  limits: Limits[];
  changes: ZoneRow[];
}

export function zoneSeries(rows: readonly ZoneRow[]): ZoneSeries {
  const limits: Limits[] = [];
  rows.forEach((row, i) => {
    const last = limits.at(-1);
    if (last?.green === row.green_most && last.yellow === row.yellow_most) last.to = i;
    else limits.push({ from: i, to: i, green: row.green_most, yellow: row.yellow_most });
  });
  return {
    time: rows.map((row) => seconds(row.date)),
    exceptions: rows.map((row) => row.exceptions),
    expected: rows.map((row) => row.expected),
    limits,
    changes: rows.filter(moved),
  };
}
