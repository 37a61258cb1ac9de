import uPlot from 'uplot';

import { axis, DAY, presetRange, type Range, timeAxis, utc, type View, within } from './axes.ts';
import { seconds } from './closes.ts';
import type { ChangePoint, Shock } from './contract.ts';
import { compact, percent, quantity } from './format.ts';
import { changeSign, changeTold, regimeColor, type RegimeSeries } from './regimes.ts';
import { color } from './theme.svelte.ts';

export interface RegimePlotHandlers {
  onCursor(index: number | null): void;
  onZoom(zoomed: boolean): void;
}

const STATES_MAX = 6;
const SHADE = 0.26;
/** Under the shading, a strip of the regime's full colour. */
const STRIP_PX = 6;
const LANE_PX = 15;
const Y_SIZE = 58;

interface Marker {
  time: number;
  element: HTMLElement;
}

/** Price with regimes, their chances, and volatility, one under the other over the same days: a zoom or a cursor in one is in all. */
export class RegimePlots {
  readonly #handlers: RegimePlotHandlers;
  readonly #price: uPlot;
  readonly #chances: uPlot;
  readonly #volatility: uPlot;
  readonly #plots: uPlot[];
  #series: RegimeSeries | null = null;
  #markers: Marker[] = [];
  #shock: Shock = 'relative';
  #range: Range = '1Y';
  #view: View = { min: 0, max: 1 };
  #zoomed = false;
  #setting = false;

  constructor(price: HTMLElement, chances: HTMLElement, volatility: HTMLElement, handlers: RegimePlotHandlers) {
    this.#handlers = handlers;
    const bare = { ...timeAxis(), values: (_: uPlot, splits: number[]) => splits.map(() => ''), size: 6 };
    const numbers = { ...axis(), size: Y_SIZE, space: 30 };
    this.#price = new uPlot(
      this.#options(price, [bare, { ...numbers, values: (_, v) => v.map((one) => quantity(one)) }], this.#around, [
        { label: 'Price', stroke: () => color('text'), width: 1.3, points: { show: false } },
      ]),
      [[], []], price,
    );
    const area = (k: number): uPlot.Series => ({
      label: `Chance ${k}`, width: 0, points: { show: false }, fillTo: () => 0,
      fill: () => color(regimeColor(this.#series?.labels[STATES_MAX - 1 - k] ?? '')),
    });
    this.#chances = new uPlot(
      this.#options(chances, [bare, { ...numbers, values: (_, v) => v.map((one) => percent(one)) }], () => [0, 1], Array.from({ length: STATES_MAX }, (_, k) => area(k))),
      [[], ...Array.from({ length: STATES_MAX }, () => [])] as unknown as uPlot.AlignedData, chances,
    );
    const inUnit = (one: number): string => (this.#shock === 'relative' ? percent(one) : compact(one));
    this.#volatility = new uPlot(
      this.#options(volatility, [timeAxis(), { ...numbers, values: (_, v) => v.map(inUnit) }], (_, __, high) => [0, (high || 1) * 1.08], [
        { label: 'Volatility', stroke: () => color('final'), width: 1.4, fill: () => color('band'), fillTo: () => 0, points: { show: false } },
      ]),
      [[], []], volatility,
    );
    this.#plots = [this.#price, this.#chances, this.#volatility];
  }

  setData(series: RegimeSeries, changes: readonly ChangePoint[], shock: Shock): void {
    this.#series = series;
    this.#shock = shock;
    const none = series.time.map(() => null);
    const areas = Array.from({ length: STATES_MAX }, (_, k) => series.stacked[STATES_MAX - 1 - k] ?? none);
    this.#price.setData([series.time, series.price], false);
    this.#chances.setData([series.time, ...areas], false);
    this.#volatility.setData([series.time, series.volatility], false);
    this.#mark(changes);
    if (this.#zoomed) this.#show(this.#view);
    else this.#showRange();
  }

  setRange(range: Range): void {
    this.#range = range;
    this.#showRange();
  }

  /** Three months either side of a day, with the cursor on it. */
  focusOn(time: number): void {
    this.#zoomTo(time - 90 * DAY, time + 90 * DAY);
    const index = this.#series?.time.indexOf(time) ?? -1;
    if (index >= 0) this.moveCursor(index);
  }

  /** A new scale holds from uPlot's next microtask on, so the cursor is placed in the one after. */
  moveCursor(index: number): void {
    const time = this.#series?.time[index];
    if (time === undefined) return;
    const { min, max } = this.#view;
    if (time < min || time > max) this.#zoomTo(time - (max - min) / 2, time + (max - min) / 2);
    queueMicrotask(() => this.#price.setCursor({ left: this.#price.valToPos(time, 'x'), top: this.#price.over.clientHeight / 2 }));
  }

  /** Below one zooms in, above one out, around the middle. */
  zoomBy(factor: number): void {
    const [middle, half] = [(this.#view.min + this.#view.max) / 2, Math.max(5 * DAY, ((this.#view.max - this.#view.min) / 2) * factor)];
    this.#zoomTo(middle - half, middle + half);
  }

  reset(): void {
    this.#showRange();
  }

  /** Fit each plot to the element it is in. */
  resize(): void {
    for (const plot of this.#plots) {
      const { clientWidth: width, clientHeight: height } = plot.root.parentElement ?? plot.root;
      if (width > 0 && height > 0) plot.setSize({ width, height });
    }
  }

  recolor(): void {
    for (const plot of this.#plots) plot.redraw(false, true);
  }

  destroy(): void {
    for (const plot of this.#plots) plot.destroy();
  }

  #zoomTo(min: number, max: number): void {
    this.#zoomed = true;
    this.#show(within(this.#series?.time ?? [], min, max));
  }

  #showRange(): void {
    this.#zoomed = false;
    const view = presetRange(this.#series?.time ?? [], this.#range);
    if (view) this.#show(view);
  }

  #show(view: View): void {
    this.#view = view;
    this.#setting = true;
    for (const plot of this.#plots) plot.setScale('x', view);
    queueMicrotask(() => (this.#setting = false));
    this.#handlers.onZoom(this.#zoomed);
  }

  #around: uPlot.Range.Function = (_, low, high) => {
    const room = ((high ?? 1) - (low ?? 0) || Math.abs(high ?? 1) || 1) * 0.08;
    return [(low ?? 0) - 1.5 * room, (high ?? 1) + 2 * room]; // signs of change points stand at the top
  };

  #options(root: HTMLElement, axes: uPlot.Axis[], range: uPlot.Range.Function, series: uPlot.Series[]): uPlot.Options {
    return {
      width: Math.max(100, root.clientWidth),
      height: Math.max(60, root.clientHeight),
      padding: [6, 12, 0, 0],
      legend: { show: false },
      tzDate: utc,
      scales: { x: { time: true }, y: { range } },
      axes,
      series: [{}, ...series],
      cursor: {
        drag: { x: true, y: false, setScale: true },
        points: { show: false },
        y: false,
        bind: { dblclick: () => () => { this.reset(); return null; } },
      },
      hooks: {
        drawClear: [(u) => { if (u === this.#price) this.#shade(u); }],
        draw: [(u) => { if (u === this.#price) this.#placeMarkers(u); }],
        setCursor: [(u) => this.#follow(u)],
        setScale: [
          (u, scale) => {
            const { min, max } = u.scales['x'] ?? {};
            if (scale !== 'x' || min == null || max == null || this.#setting) return;
            this.#zoomed = true; // dragged
            this.#show({ min, max });
          },
        ],
      },
    };
  }

  /** Put the cursor of the other plots where it is in this one. */
  #follow(from: uPlot): void {
    if (this.#setting) return;
    this.#setting = true;
    const { left = -10, top = -10, idx } = from.cursor;
    for (const plot of this.#plots) if (plot !== from) plot.setCursor({ left, top: left < 0 ? top : 1 }, false);
    this.#setting = false;
    this.#handlers.onCursor(idx ?? null);
  }

  /** Each span in the colour of its regime, from half a day before it to half a day after. */
  #shade(u: uPlot): void {
    const { time, spans } = this.#series ?? { time: [], spans: [] };
    const { left, top, width, height } = u.bbox;
    const edge = (a: number | undefined, b: number | undefined): number => {
      if (a === undefined || b === undefined) return a ?? b ?? 0;
      return (a + b) / 2;
    };
    const at = (seconds: number): number => Math.round(Math.max(left, Math.min(left + width, u.valToPos(seconds, 'x', true))));
    const strip = Math.round(STRIP_PX * devicePixelRatio);
    u.ctx.save();
    for (const { from, to, label } of spans) {
      const [x0, x1] = [at(edge(time[from - 1], time[from])), at(edge(time[to], time[to + 1]))];
      if (x1 <= x0) continue;
      u.ctx.fillStyle = color(regimeColor(label));
      u.ctx.globalAlpha = SHADE;
      u.ctx.fillRect(x0, top, x1 - x0, height - strip);
      u.ctx.globalAlpha = 1;
      u.ctx.fillRect(x0, top + height - strip, x1 - x0, strip);
    }
    u.ctx.restore();
  }

  #mark(changes: readonly ChangePoint[]): void {
    for (const { element } of this.#markers) element.remove();
    this.#markers = changes.map((change) => {
      const element = Object.assign(document.createElement('span'), { className: 'change', title: changeTold(change) });
      element.dataset['change'] = `${change.date} ${change.detector} ${change.direction}`;
      element.style.setProperty('--lane', `${change.detector === 'volatility' ? 0 : LANE_PX}px`);
      element.append(Object.assign(document.createElement('b'), { textContent: changeSign(change) }));
      this.#price.over.append(element);
      return { time: seconds(change.date), element };
    });
  }

  #placeMarkers(u: uPlot): void {
    const { min, max } = u.scales['x'] ?? {};
    for (const { time, element } of this.#markers) {
      element.hidden = min == null || max == null || time < min || time > max;
      if (!element.hidden) element.style.transform = `translateX(${Math.round(u.valToPos(time, 'x'))}px)`;
    }
  }
}
