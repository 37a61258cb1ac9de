import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import type { ChangePoint, Followed, RegimeModel, Regimes, RegimeState } from '../src/lib/contract.ts';
import {
  absence, chancesOf, changeSign, changeTold, inUnit, joined, likeliest, modelInUse, ordered, readFrom, regimeColor, regimeSeries, verdict,
} from '../src/lib/regimes.ts';

const state = (date: string, filtered: number[], labels = ['bull', 'crisis', 'neutral', 'bear'], price = 1): RegimeState => ({
  as_of: `${date}T20:00:00Z`, as_of_ns: `${Date.parse(date)}000000`, date, revision: 0, price, move: 0.01, model_version: 1,
  labels, filtered, ahead: filtered, volatility: 0.01, status: 'ok',
});
const refit = (date: string, status: string, parameters: Record<string, unknown> = { labels: [] }, kind: RegimeModel['kind'] = 'regimes'): RegimeModel => ({
  as_of: `${date}T20:00:00Z`, date, kind, model_version: 3, observations: 500, used: !['held', 'failed'].includes(status), status, reason: 'because', parameters,
});
const change = (detector: string, direction: 'up' | 'down'): ChangePoint => ({
  as_of: '2008-09-29T20:00:00Z', date: '2008-09-29', detector, direction, statistic: 11.234, threshold: 10.7,
});

test('regimes come the gravest first, whatever the order of the model', () => {
  assert.deepEqual(ordered(['bull', 'odd', 'crisis', 'neutral_2', 'neutral_1']).map((o) => o.at), [2, 4, 3, 0, 1]);
  assert.deepEqual(chancesOf(['bull', 'crisis'], [0.7, 0.3]), [{ label: 'crisis', chance: 0.3 }, { label: 'bull', chance: 0.7 }]);
  assert.equal(likeliest(['bull', 'crisis'], [0.5, 0.5]).label, 'crisis');
  assert.equal(likeliest([], []).label, '');
});

test('states become columns: stacked chances end at one, spells of one regime are one span', () => {
  const states = [
    state('2008-01-02', [0.7, 0.1, 0.1, 0.1]),
    state('2008-01-03', [0.6, 0.2, 0.1, 0.1]),
    state('2008-01-04', [0.1, 0.8, 0.1], ['calm', 'crisis', 'odd']),
    { ...state('2008-01-07', [0.7, 0.1, 0.1, 0.1]), volatility: null },
  ];
  const series = regimeSeries(states);
  assert.deepEqual(series.labels, ['crisis', 'bear', 'neutral', 'calm', 'bull', 'odd']);
  for (const top of series.stacked.at(-1) ?? []) assert.ok(Math.abs(top - 1) < 1e-12);
  assert.deepEqual(series.stacked[0], [0.1, 0.2, 0.8, 0.1]);
  assert.deepEqual(series.spans, [{ from: 0, to: 1, label: 'bull' }, { from: 2, to: 2, label: 'crisis' }, { from: 3, to: 3, label: 'bull' }]);
  assert.ok(Math.abs((series.volatility[0] ?? 0) - 0.01 * Math.sqrt(252)) < 1e-15);
  assert.equal(series.volatility[3], null);
  assert.equal(series.time[1], Date.UTC(2008, 0, 3) / 1000);
  assert.deepEqual(regimeSeries([]), { time: [], price: [], volatility: [], labels: [], stacked: [], spans: [] });
});

test('what a correction can reach is read again and takes the place of what was held', () => {
  const dates = Array.from({ length: 300 }, (_, k) => new Date(Date.UTC(2008, 0, 1 + k)).toISOString().slice(0, 10));
  const held = { states: dates.map((d) => state(d, [1, 0, 0, 0])), models: [refit(dates[0] ?? '', 'ok')], changes: [] };
  assert.equal(readFrom(held), held.states[40]?.as_of_ns);
  assert.equal(readFrom({ ...held, states: held.states.slice(0, 259) }), undefined);
  assert.equal(readFrom(null), undefined);
  const again = joined(held, { states: held.states.slice(40).map((s) => ({ ...s, price: 2 })), models: [], changes: [change('drift', 'up')] });
  assert.deepEqual([again.states.length, again.states[39]?.price, again.states[40]?.price], [300, 1, 2]);
  assert.deepEqual([again.models.length, again.changes.length], [1, 1]);
});

test('a refit is used, relabelled or refused', () => {
  assert.equal(verdict(refit('2008-01-02', 'ok')).tone, '');
  assert.equal(verdict(refit('2008-01-02', 'relabelled')).tone, 'warn');
  assert.deepEqual([verdict(refit('2008-01-02', 'df_at_upper_bound')).word, verdict(refit('2008-01-02', 'df_at_upper_bound')).tone], ['used: df at upper bound', '']);
  const held = verdict(refit('2008-01-02', 'held'));
  assert.deepEqual([held.word, held.tone, held.meaning], ['refused: held', 'alarm', 'The former parameters stay in use.']);
  assert.equal(verdict(refit('2008-01-02', 'failed', {})).meaning, 'There is no model yet.');
});

test('a refused refit goes on with the model of an earlier day', () => {
  const models = [refit('2008-01-02', 'failed', {}), refit('2008-04-02', 'relabelled'), refit('2008-07-01', 'held'), refit('2008-07-01', 'ok', {}, 'volatility')];
  assert.equal(modelInUse(models)?.since, '2008-04-02');
  assert.equal(modelInUse(models.slice(0, 1)), null);
});

test('an empty view says why', () => {
  const settings = { regimes_of: ['SPX'], states: 4, first: 500, every: 63, history: 2500, run_length: 500 };
  const followed: Followed = { instrument_id: 21, symbol: 'SPX', shock: 'relative', state: null };
  const of = (changes: object): Regimes => ({ settings: { ...settings, ...changes }, items: [] });
  assert.match(absence(of({ run_length: 0 }), null, []), /RISK_REGIMES__ENABLED=false/);
  assert.match(absence(of({}), null, []), /RISK_REGIMES__OF names none/);
  assert.match(absence(of({}), followed, []), /^SPX has no model yet: the first fit comes after 500 closes/);
  assert.match(absence(of({}), followed, [refit('2008-01-02', 'failed', {})]), /fit of 2 Jan 2008 failed: because/);
  assert.equal(absence(of({}), { ...followed, state: state('2008-01-02', [1]) }, []), '');
});

test('change points have a sign for detector and direction, and moves their unit', () => {
  assert.deepEqual([change('volatility', 'up'), change('drift', 'up'), change('drift', 'down')].map(changeSign), ['◆', '▲', '▼']);
  assert.equal(changeTold(change('drift', 'down')), 'Drift down on 29 Sep 2008: 11.23 beyond 10.70');
  assert.equal(inUnit(-0.0123, 'relative'), '−1.23 %');
  assert.equal(inUnit(-0.0123, 'absolute'), '−0.01');
  assert.equal(inUnit(null, 'absolute'), '—');
});

// ---------------------------------------------------------------- colours

type Vector = [number, number, number];
/** How colours are seen without one kind of cone: Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB. */
const EYES: Record<string, [Vector, Vector, Vector]> = {
  all: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
const times = (m: [Vector, Vector, Vector], v: Vector): Vector => m.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]) as Vector;
const linear = (hex: string): Vector =>
  [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as Vector;
const clipped = (v: Vector): Vector => v.map((c) => Math.max(0, Math.min(1, c))) as Vector;
const oklab = (rgb: Vector): Vector =>
  times(
    [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [0.0259040371, 0.7827717662, -0.808675766]],
    times([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]], rgb)
      .map(Math.cbrt) as Vector,
  );
const apart = (a: string, b: string, eye: [Vector, Vector, Vector]): number => {
  const [x, y] = [a, b].map((hex) => oklab(clipped(times(eye, linear(hex))))) as [Vector, Vector];
  return Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]);
};
/** A step between two shades that anyone sees side by side, in OKLab. */
const SEEN = 0.08;

test('regimes shown together are told apart, also by the colour-blind, in both themes', () => {
  const css = readFileSync(new URL('../src/app.css', import.meta.url), 'utf8');
  const [dark, light] = css.split(':root[data-theme').map((part) => new Map([...part.matchAll(/--([a-z0-9-]+): (#[0-9a-f]{6});/g)].map((m) => [m[1], m[2]])));
  const together = [
    ['calm', 'crisis'],
    ['bull', 'neutral', 'bear', 'crisis'],
    ['bull', 'neutral_1', 'neutral_2', 'neutral_3', 'bear', 'crisis'],
  ];
  for (const theme of [dark, light]) {
    for (const labels of together) {
      for (const [k, label] of labels.entries()) {
        for (const other of labels.slice(k + 1)) {
          for (const [name, eye] of Object.entries(EYES)) {
            const [a, b] = [label, other].map((l) => theme?.get(regimeColor(l))) as [string, string];
            assert.ok(apart(a, b, eye) >= SEEN, `${label} ${a} and ${other} ${b}: ${apart(a, b, eye)} with ${name}`);
          }
        }
      }
    }
  }
  assert.deepEqual(['neutral_2', 'neutral_1', 'neutral', 'crisis', 'state 0'].map(regimeColor), ['regime-neutral-2', 'regime-neutral', 'regime-neutral', 'regime-crisis', 'regime-other']);
});
