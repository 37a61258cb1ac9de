import uPlot from 'uplot';

import { axis, DAY, presetRange, type Range, timeAxis, utc, within } from './axes.ts';
import type { CloseSeries } from './closes.ts';
import { compact } from './format.ts';
import { stems } from './stems.ts';
import { color } from './theme.svelte.ts';

export interface LivePoint {
  time: number;
  pnl: number;
  line: number | null;
}

export interface PlotHandlers {
  onCursor(index: number | null): void;
  onView(from: number, to: number, zoomed: boolean): void;
}

/** VaR and P&L through time on one uPlot: keeps a preset range at the newest day until the user zooms. */
export class TimePlot {
  readonly #plot: uPlot;
  readonly #handlers: PlotHandlers;
  readonly #dot: HTMLElement;
  readonly #dash: HTMLElement;
  #series: CloseSeries | null = null;
  #live: LivePoint | null = null;
  #range: Range = '1Y';
  #zoomed = false;

  constructor(root: HTMLElement, handlers: PlotHandlers) {
    this.#handlers = handlers;
    this.#dot = Object.assign(document.createElement('div'), { className: 'live-dot' });
    this.#dash = Object.assign(document.createElement('div'), { className: 'live-dash' });
    this.#plot = new uPlot(this.#options(root), [[], [], [], [], []], root);
    this.#plot.over.append(this.#dash, this.#dot);
  }

  setData(series: CloseSeries): void {
    this.#series = series;
    this.#plot.setData([series.time, series.line, series.shortfall, series.calm, series.exception], false);
    if (this.#zoomed) this.#plot.redraw(true, true);
    else this.#showRange();
  }

  setLive(live: LivePoint | null): void {
    const grew = live && this.#live && this.#beyond(live);
    this.#live = live;
    if (grew) this.#plot.redraw(false, true);
    this.#placeLive();
  }

  setRange(range: Range): void {
    this.#range = range;
    this.#showRange();
  }

  setShortfall(shown: boolean): void {
    this.#plot.setSeries(2, { show: shown });
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
    const { min = 0, max = 0 } = this.#plot.scales['x'] ?? {};
    if (time < min || time > max) this.#zoomTo(time - (max - min) / 2, time + (max - min) / 2);
    queueMicrotask(() => this.#plot.setCursor({ left: this.#plot.valToPos(time, 'x'), top: this.#plot.over.clientHeight / 2 }));
  }

  /** Below one zooms in, above one out, around the middle. */
  zoomBy(factor: number): void {
    const { min = 0, max = 0 } = this.#plot.scales['x'] ?? {};
    const [middle, half] = [(min + max) / 2, Math.max(5 * DAY, ((max - min) / 2) * factor)];
    this.#zoomTo(middle - half, middle + half);
  }

  reset(): void {
    this.#showRange();
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

  #zoomTo(min: number, max: number): void {
    this.#zoomed = true;
    this.#plot.setScale('x', within(this.#series?.time ?? [], min, max));
  }

  #showRange(): void {
    this.#zoomed = false;
    const range = presetRange(this.#series?.time ?? [], this.#range);
    if (range) this.#plot.setScale('x', range);
  }

  #beyond(live: LivePoint): boolean {
    const { min, max } = this.#plot.scales['y'] ?? {};
    return min != null && max != null && (live.pnl < min || live.pnl > max);
  }

  #inView(): LivePoint | null {
    const { max } = this.#plot.scales['x'] ?? {};
    return this.#live && max != null && this.#live.time <= max ? this.#live : null;
  }

  #placeLive(): void {
    const live = this.#inView();
    this.#dot.hidden = live === null;
    this.#dash.hidden = live?.line == null;
    if (!live) return;
    const x = Math.round(this.#plot.valToPos(live.time, 'x'));
    this.#dot.style.transform = `translate(${x}px, ${Math.round(this.#plot.valToPos(live.pnl, 'y'))}px)`;
    if (live.line !== null) this.#dash.style.transform = `translate(${x}px, ${Math.round(this.#plot.valToPos(live.line, 'y'))}px)`;
  }

  #options(root: HTMLElement): uPlot.Options {
    return {
      width: Math.max(100, root.clientWidth),
      height: Math.max(100, root.clientHeight),
      padding: [8, 12, 0, 0],
      legend: { show: false },
      tzDate: utc,
      scales: {
        x: { time: true },
        y: {
          range: (_, low, high) => {
            const live = this.#inView();
            const min = Math.min(0, low ?? 0, live?.pnl ?? 0, live?.line ?? 0);
            const max = Math.max(0, high ?? 0, live?.pnl ?? 0);
            const room = (max - min || 1) * 0.06;
            return [min - room, max + room];
          },
        },
      },
      axes: [
        timeAxis(),
        { ...axis(), size: 58, space: 42, values: (_, splits) => splits.map((v) => compact(v)) },
      ],
      series: [
        {},
        { label: 'VaR', stroke: () => color('final'), width: 1.6, fill: () => color('band'), fillTo: () => 0, points: { show: false } },
        { label: 'ES', stroke: () => color('final'), width: 1, dash: [3, 3], points: { show: false } },
        { label: 'P&L', fill: () => color('bar'), paths: stems, points: { show: false } },
        {
          label: 'Exception', fill: () => color('alarm'), paths: stems,
          points: { show: true, size: 7, fill: () => color('alarm'), stroke: () => color('panel'), width: 1.2 },
        },
      ],
      cursor: {
        drag: { x: true, y: false, setScale: true },
        points: { show: false },
        y: false,
        bind: { dblclick: () => () => { this.reset(); return null; } },
      },
      hooks: {
        setSelect: [() => (this.#zoomed = true)],
        setCursor: [(u) => this.#handlers.onCursor(u.cursor.idx ?? null)],
        draw: [() => this.#placeLive()],
        setScale: [
          (u, scale) => {
            const { min, max } = u.scales['x'] ?? {};
            if (scale === 'x' && min != null && max != null) this.#handlers.onView(min, max, this.#zoomed);
          },
        ],
      },
    };
  }
}
