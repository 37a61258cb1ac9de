import assert from 'node:assert/strict';
import { test } from 'node:test';

import { closeSeries, count, extend, lossRatio } from '../src/lib/closes.ts';
import { type BookNode, type DayClose, isException, measureOf, type Run, type Snapshot } from '../src/lib/contract.ts';
import { ago, clock, compact, confidenceName, day, longDay, money, percent, scaled, scaleFor, share, signedMoney } from '../src/lib/format.ts';
import { otherMeasures } from '../src/lib/measures.ts';
import { plotIntervals } from '../src/lib/intervals.ts';
import { loadBand, loadOf } from '../src/lib/load.ts';
import { merge } from '../src/lib/merge.ts';
import { groupBars, largest, sumOf } from '../src/lib/parts.ts';
import { doubts } from '../src/lib/status.ts';
import { treeKey, visibleRows } from '../src/lib/tree.ts';

const node = (node_id: number, parent_id: number | null): BookNode => ({
  node_id, parent_id, name: `n${node_id}`, kind: 'portfolio', currency: 'USD', description: '',
});
const close = (date: string, pnl: number | null, line: number | null, hit = false): DayClose => ({
  date, as_of: `${date}T20:00:00Z`, forecast_var: line, forecast_es: line, hypothetical_pnl: pnl, actual_pnl: pnl,
  exception_hypothetical: hit, exception_actual: hit, status: 'ok', revision: 0,
});
const snapshot = (log_seq: number, as_of: string, revision: number): Snapshot => ({
  node_id: 1,
  live: { log_seq, event_time: as_of, market_value: 0, pnl: 0, measures: {}, quality: { stale_share: 0, proxied_share: 0, thin_share: 0 } },
  final: { as_of, revision, log_seq, measures: {}, quality: { stale_share: 0, proxied_share: 0, thin_share: 0 } },
  last_close: null,
});

test('numbers keep their sign, and nothing is shown where there is no number', () => {
  assert.equal(money(-1234567.4), '−1,234,567');
  assert.equal(money(-0.2), '0');
  assert.equal(money(null), '—');
  assert.equal(money(Number.NaN), '—');
  assert.equal(signedMoney(1234), '+1,234');
  assert.equal(compact(-2_050_000), '−2.05m');
  assert.equal(share(0), '0');
  assert.equal(share(0.0004), '<0.1 %');
  assert.equal(share(0.083), '8.3 %');
  assert.equal(confidenceName(0.975), '97.5 %');
  assert.equal(scaled(5_130_990, scaleFor([14_030_990, null])), '5.13');
  assert.equal(scaled(1_830_990, scaleFor([9_030_990])), '1,831');
  assert.equal(scaled(59_790, scaleFor([65_790])), '59.79');
  assert.equal(percent(-0.0001), '0 %');
  assert.equal(scaleFor([5]).name, '');
});

test('times are read in UTC', () => {
  assert.equal(longDay('2008-10-15T20:00:00Z'), 'Wed 15 Oct 2008');
  assert.equal(day('2008-10-15'), '15 Oct 2008');
  assert.equal(clock('2008-10-15T20:00:05Z'), '20:00:05');
  assert.equal(day(null), '—');
  assert.equal(ago(200_000), '3 min');
});

test('a measure is found however the server writes its confidence', () => {
  const measures = { historical: { '0.990': { var: 1, es: 2, status: 'ok' } } };
  assert.equal(measureOf(measures, 'historical', 0.99)?.var, 1);
  assert.equal(measureOf(measures, 'historical', 0.95), null);
  assert.equal(measureOf(undefined, 'historical', 0.95), null);
});

test('an exception is of one method at one confidence', () => {
  const last = { date: '2008-10-14', hypothetical_pnl: -1, actual_pnl: -1, exceptions: ['historical@0.99'] };
  assert.equal(isException(last, 'historical', 0.99), true);
  assert.equal(isException(last, 'historical', 0.95), false);
  assert.equal(isException(last, 'ewma_normal', 0.99), false);
  assert.equal(isException(null, 'historical', 0.99), false);
});

test('numbers never go back: live by log_seq, final by as_of and revision', () => {
  const held = snapshot(10, '2008-10-15T20:00:00Z', 1);
  const older = merge(held, snapshot(9, '2008-10-15T20:00:00Z', 0));
  assert.equal(older.live?.log_seq, 10);
  assert.equal(older.final?.revision, 1);
  const newer = merge(held, snapshot(11, '2008-10-16T20:00:00Z', 0));
  assert.equal(newer.live?.log_seq, 11);
  assert.equal(newer.final?.as_of, '2008-10-16T20:00:00Z');
  assert.equal(merge(held, { ...held, live: null }).live?.log_seq, 10);
});

test('the tree shows children below their parents, keeps orphans, and hides what is collapsed', () => {
  const nodes = [node(1, null), node(2, 1), node(4, 2), node(3, 1), node(9, 77)];
  assert.deepEqual(visibleRows(nodes, new Set()).map((r) => [r.node.node_id, r.level]), [[1, 1], [2, 2], [4, 3], [3, 2], [9, 1]]);
  const folded = visibleRows(nodes, new Set([2]));
  assert.deepEqual(folded.map((r) => r.node.node_id), [1, 2, 3, 9]);
  assert.deepEqual(folded.map((r) => [r.position, r.siblings]), [[1, 2], [1, 2], [2, 2], [2, 2]]);
});

test('keys walk the tree', () => {
  const rows = visibleRows([node(1, null), node(2, 1), node(4, 2), node(3, 1)], new Set());
  assert.deepEqual(treeKey('ArrowDown', rows, 0), { focus: 2 });
  assert.deepEqual(treeKey('ArrowUp', rows, 0), { focus: 1 });
  assert.deepEqual(treeKey('ArrowLeft', rows, 2), { focus: 2 });
  assert.deepEqual(treeKey('ArrowLeft', rows, 1), { collapse: 2 });
  assert.deepEqual(treeKey('ArrowRight', rows, 1), { focus: 4 });
  assert.deepEqual(treeKey('End', rows, 0), { focus: 3 });
  assert.equal(treeKey('ArrowRight', rows, 2), null);
  const folded = visibleRows([node(1, null), node(2, 1)], new Set([1]));
  assert.deepEqual(treeKey('ArrowRight', folded, 0), { expand: 1 });
});

test('the load is the loss over the line, and unknown without a positive line', () => {
  assert.equal(loadOf(-50, 100), 0.5);
  assert.equal(loadOf(50, 100), -0.5);
  assert.equal(loadOf(0, 100), 0);
  assert.equal(loadOf(-50, 0), null);
  assert.equal(loadOf(-50, -5), null);
  assert.equal(loadOf(null, 100), null);
  assert.deepEqual([-0.1, 0, 0.76, 1, 1.01].map(loadBand), ['gain', 'calm', 'near', 'near', 'over']);
});

test('closes become columns, exceptions apart, and join by date', () => {
  const rows = [close('2008-10-13', 5, 10), close('2008-10-14', -12, 10, true), close('2008-10-15', 1, null)];
  const series = closeSeries(rows);
  assert.deepEqual(series.line, [-10, -10, null]);
  assert.deepEqual(series.calm, [5, null, 1]);
  assert.deepEqual(series.exception, [null, -12, null]);
  assert.deepEqual(count(series, -Infinity, Infinity), { days: 2, exceptions: 1 });
  assert.equal(lossRatio(rows[1] as DayClose), 1.2);
  assert.equal(lossRatio(rows[2] as DayClose), null);
  const again = extend(rows, [close('2008-10-14', -9, 10), close('2008-10-15', 1, 10), close('2008-10-16', 2, 10)]);
  assert.deepEqual(again.map((r) => [r.date, r.hypothetical_pnl]), [['2008-10-13', 5], ['2008-10-14', -9], ['2008-10-15', 1], ['2008-10-16', 2]]);
  assert.equal(extend(rows, []).length, 3);
});

test('a status is split into its doubts, the gravest first', () => {
  assert.deepEqual(doubts('ok', 'ok'), []);
  assert.deepEqual(doubts('thin_tail+degraded', 'degraded+short_window'), ['degraded', 'short_window', 'thin_tail']);
  assert.deepEqual(doubts(undefined, 'thin_tail+something_new'), ['thin_tail', 'something_new']);
});

test('methods share one axis with zero on it, and a bound far out does not stretch it', () => {
  const one = { confidence: 0.99, as_of: '', as_of_ns: '0', status: 'ok', es: 150, es_lower: null, es_upper: null };
  const items = [
    { ...one, method: 'a', var: 100, var_lower: 80, var_upper: 120 },
    { ...one, method: 'b', var: 50, var_lower: null, var_upper: 9_000 },
    { ...one, method: 'a', confidence: 0.95, var: 1e9, var_lower: null, var_upper: null },
  ];
  const run = { methods: ['a', 'b', 'c'].map((name) => ({ name, label: name, description: '', streamed: true })) } as unknown as Run;
  const { rows, ticks } = plotIntervals(run, items, 0.99);
  assert.deepEqual(ticks.map((t) => t.value), [0, 100, 200, 300]);
  assert.deepEqual(rows.map((r) => [r.var?.from ?? null, r.var?.at ?? null, r.var?.to ?? null].map((v) => v && Math.round(v))), [[27, 33, 40], [null, 17, 100], [null, null, null]]);
  assert.deepEqual(plotIntervals(run, [], 0.99).ticks.map((t) => t.value), [0, 1]);
});

test('further measures come in their order, unknown ones last', () => {
  const one = { method: 'coherent', as_of: '', as_of_ns: '0', status: 'ok', var: 1, es: 1, var_lower: null, var_upper: null, es_lower: null, es_upper: null };
  const items = [
    { ...one, confidence: 0.95, measures: { spectral_risk: 9 } },
    { ...one, method: 'historical', confidence: 0.99, measures: null },
    { ...one, confidence: 0.99, measures: { house_measure: 4, shortfall_ratio: 1.2, spectral_risk: 3 } },
  ];
  const found = otherMeasures(items, 0.99);
  assert.deepEqual(found.map((m) => [m.name, m.value, m.ratio]), [['spectral_risk', 3, false], ['shortfall_ratio', 1.2, true], ['house_measure', 4, false]]);
  assert.equal(found[2]?.label, 'house measure');
  assert.deepEqual(otherMeasures([], 0.99), []);
});

test('groups are bars with what they are alone, and beyond forty the smallest are one', () => {
  const part = (component: number) => ({ component, share: null, marginal: null, standalone: component + 5, incremental: component - 1 });
  const item = (k: number) => ({ key: `${k}`, label: `g${k}`, market_value: 0, gross_value: 0, var: part(k), es: part(-k) });
  const items = Array.from({ length: 42 }, (_, k) => item(k));
  const of = { result_id: '', by: 'desk', total_var: 861, total_es: -861, diversification_var: 0, diversification_es: 0, items };
  assert.equal(sumOf(of, 'var'), 861);
  assert.equal(sumOf(of, 'es'), -861);
  const bars = largest(groupBars(of, 'var'));
  assert.deepEqual(bars[0], { name: 'g41', value: 41, exposure: null, marginal: null, standalone: 46, incremental: 40 });
  assert.deepEqual([bars.length, bars[40]?.name, bars[40]?.value], [41, '2 more', 1]);
  assert.equal(bars.reduce((s, b) => s + b.value, 0), 861);
});
