import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { BookNode, Zone, ZoneRow } from '../src/lib/contract.ts';
import { absence, chance, joined, moved, readFrom, sign, since, summary, told, zoneMap, zoneSeries } from '../src/lib/zones.ts';

const zone = (date: string, is: Zone, was: Zone | null = is, changes: Partial<ZoneRow> = {}): ZoneRow => ({
  node_id: 1, method: 'historical', confidence: 0.99, as_of: `${date}T20:00:00Z`, as_of_ns: `${Date.parse(date)}000000`, date, revision: 0,
  observations: 250, exceptions: 6, expected: 2.5, zone: is, zone_before: was, green_most: 4, yellow_most: 9,
  type_i: 0.04, multiplier_mar32: 1.76, multiplier_basel_2_5: 3.5, kupiec_p: 0.06, independence_p: null, conditional_p: 0.1, ...changes,
});
const node = (node_id: number, parent_id: number | null): BookNode => ({
  node_id, parent_id, name: `n${node_id}`, kind: 'portfolio', currency: 'USD', description: '',
});

test('the map is the whole tree against methods, with a gap where nothing was judged', () => {
  const rows = zoneMap([node(1, null), node(3, 2), node(2, 1)], ['historical', 'late'], [zone('2008-01-02', 'red', 'red', { node_id: 3 })]);
  assert.deepEqual(rows.map((r) => [r.tree.node.node_id, r.tree.level, r.cells.map((c) => `${c.method} ${c.row?.zone ?? '-'}`)]), [
    [1, 1, ['historical -', 'late -']],
    [2, 2, ['historical -', 'late -']],
    [3, 3, ['historical red', 'late -']],
  ]);
});

test('a cell says its zone in a letter and in words, and what it was if that has changed', () => {
  const worse = zone('2008-09-29', 'yellow', 'green');
  assert.deepEqual([moved(worse), sign(worse)], [true, 'G→Y']);
  assert.equal(told(worse), 'yellow, 6 exceptions in 250 days, 2.5 expected, was green the judged day before; as of 29 Sep 2008');
  for (const calm of [zone('2008-09-29', 'red'), zone('2008-09-29', 'red', null)]) {
    assert.deepEqual([moved(calm), sign(calm)], [false, 'R']);
    assert.equal(told(calm), 'red, 6 exceptions in 250 days, 2.5 expected; as of 29 Sep 2008');
  }
});

test('the book is counted by zone, the gravest first', () => {
  const rows = [zone('2008-09-26', 'green'), zone('2008-09-29', 'red'), zone('2008-09-29', 'green')];
  assert.equal(summary(rows, 0.975), '29 Sep 2008: 1 red, 0 yellow, 2 green at 97.5 %');
  assert.equal(summary([], 0.975), '');
});

test('the present spell begins after the last day in another zone', () => {
  const rows = [zone('2008-01-02', 'red'), zone('2008-01-03', 'green'), zone('2008-01-04', 'red'), zone('2008-01-07', 'red')];
  assert.equal(since(rows), '2008-01-04');
  assert.equal(since(rows.slice(0, 1)), '2008-01-02');
  assert.equal(since([]), null);
});

test('a history becomes columns, spans of equal limits and marks of change', () => {
  const grown = { green_most: 5, yellow_most: 10 };
  const rows = [zone('2008-01-02', 'green', null), zone('2008-01-03', 'yellow', 'green', { exceptions: 7 }), zone('2008-01-04', 'yellow', 'yellow', grown)];
  const series = zoneSeries(rows);
  assert.equal(series.time[1], Date.UTC(2008, 0, 3) / 1000);
  assert.deepEqual([series.exceptions, series.expected], [[6, 7, 6], [2.5, 2.5, 2.5]]);
  assert.deepEqual(series.limits, [{ from: 0, to: 1, green: 4, yellow: 9 }, { from: 2, to: 2, green: 5, yellow: 10 }]);
  assert.deepEqual(series.changes.map((row) => row.date), ['2008-01-03']);
  assert.deepEqual(zoneSeries([]), { time: [], exceptions: [], expected: [], limits: [], changes: [] });
});

test('what a correction can reach is read again and takes the place of what was held', () => {
  const rows = Array.from({ length: 300 }, (_, k) => zone(new Date(Date.UTC(2008, 0, 1 + k)).toISOString().slice(0, 10), 'green'));
  assert.equal(readFrom(rows), rows[40]?.as_of_ns);
  assert.equal(readFrom(rows.slice(0, 259)), undefined);
  assert.equal(readFrom(null), undefined);
  const again = joined(rows, rows.slice(40).map((row) => ({ ...row, zone: 'red' as const })));
  assert.deepEqual([again.length, again[39]?.zone, again[40]?.zone], [300, 'green', 'red']);
});

test('an empty map says why, and a chance is never rounded to zero', () => {
  assert.match(absence(false), /^No day has been judged yet/);
  assert.match(absence(true), /RISK_BACKTESTS__ENABLED is true, that RISK_BACKTESTS__WINDOWS has 250/);
  assert.deepEqual([chance(null), chance(0.00001), chance(0.5)], ['–', '< 0.0001', '0.5000']);
});
