import uPlot from 'uplot';

import { axis } from './axes.ts';
import type { Shock, VolatilityForecast } from './contract.ts';
import { compact, percent } from './format.ts';
import { yearly } from './regimes.ts';
import { color } from './theme.svelte.ts';

/** Volatility of the next days: expected, in its band, and where it tends to. */
export class FanPlot {
  readonly #plot: uPlot;
  #shock: Shock = 'relative';

  constructor(root: HTMLElement) {
    const inUnit = (one: number): string => (this.#shock === 'relative' ? percent(one) : compact(one));
    const hidden = { show: false };
    this.#plot = new uPlot(
      {
        width: Math.max(100, root.clientWidth),
        height: Math.max(60, root.clientHeight),
        padding: [6, 20, 0, 0],
        legend: { show: false },
        scales: { x: { time: false }, y: { range: (_, __, high) => [0, (high || 1) * 1.08] } },
        axes: [
          { ...axis(), size: 24, gap: 2, space: 40, values: (_, splits) => splits.map((day) => (Number.isInteger(day) ? `${day} d` : '')) },
          { ...axis(), size: 44, space: 28, values: (_, splits) => splits.map(inUnit) },
        ],
        series: [
          {},
          { label: 'Upper', stroke: () => color('final'), width: 0.6, points: hidden },
          { label: 'Lower', stroke: () => color('final'), width: 0.6, points: hidden },
          { label: 'Expected', stroke: () => color('final'), width: 2, points: hidden },
          { label: 'Long run', stroke: () => color('text-3'), width: 1, dash: [4, 4], points: hidden },
        ],
        bands: [{ series: [1, 2], fill: () => color('band') }],
        cursor: { show: false },
      },
      [[], [], [], [], []], root,
    );
  }

  setData(forecast: VolatilityForecast, shock: Shock): void {
    this.#shock = shock;
    const { items, long_run: longRun } = forecast;
    this.#plot.setData([
      items.map((i) => i.day),
      items.map((i) => yearly(i.upper)),
      items.map((i) => yearly(i.lower)),
      items.map((i) => yearly(i.volatility)),
      items.map(() => yearly(longRun)),
    ]);
  }

  resize(width: number, height: number): void {
    if (width > 0 && height > 0) this.#plot.setSize({ width, height });
  }

  recolor(): void {
    this.#plot.redraw(false, true);
  }

  destroy(): void {
    this.#plot.destroy();
  }
}
