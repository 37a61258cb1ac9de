import uPlot from 'uplot';

import { axis, DAY, presetRange, type Range, timeAxis, utc, within } from './axes.ts';
import { seconds } from './closes.ts';
import type { Zone } from './contract.ts';
import { day } from './format.ts';
import { color } from './theme.svelte.ts';
import { LETTER, type ZoneSeries } from './zones.ts';

export interface ZonePlotHandlers {
  onCursor(index: number | null): void;
  onZoom(zoomed: boolean): void;
}

const COLOR: Record<Zone, string> = { green: 'gain', yellow: 'warn', red: 'alarm' };
const SHADE: Record<Zone, number> = { green: 0.1, yellow: 0.2, red: 0.2 };
const Y_SIZE = 44;
/** Between the last count of a zone and the first of the next. */
const HALF = 0.5;
/** So that a line at zero is whole. */
const FLOOR = 0.35;

interface Marker {
  time: number;
  element: HTMLElement;
}

/** Exceptions in the window through time, over the zones they fall in: keeps a preset range at the newest day until the user zooms. */
export class ZonePlot {
  readonly #plot: uPlot;
  readonly #handlers: ZonePlotHandlers;
  #series: ZoneSeries | null = null;
  #markers: Marker[] = [];
  #range: Range = 'All';
  #zoomed = false;

  constructor(root: HTMLElement, handlers: ZonePlotHandlers) {
    this.#handlers = handlers;
    this.#plot = new uPlot(this.#options(root), [[], [], []], root);
  }

  setData(series: ZoneSeries): void {
    this.#series = series;
    this.#plot.setData([series.time, series.exceptions, series.expected], false);
    this.#mark(series);
    if (this.#zoomed) this.#plot.redraw(true, true);
    else this.#showRange();
  }

  setRange(range: Range): void {
    this.#range = range;
    this.#showRange();
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

  #options(root: HTMLElement): uPlot.Options {
    const stepped = uPlot.paths.stepped?.({ align: 1 });
    return {
      width: Math.max(100, root.clientWidth),
      height: Math.max(60, root.clientHeight),
      padding: [8, 12, 0, 0],
      legend: { show: false },
      tzDate: utc,
      scales: { x: { time: true }, y: { range: (_, __, high) => [-FLOOR, this.#top(high ?? 0)] } },
      axes: [
        timeAxis(),
        { ...axis(), size: Y_SIZE, space: 24, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500], grid: { show: false } },
      ],
      series: [
        {},
        { label: 'Exceptions', stroke: () => color('text'), width: 1.8, points: { show: false }, ...(stepped ? { paths: stepped } : {}) },
        { label: 'Expected', stroke: () => color('text-3'), width: 1, dash: [3, 3], points: { show: false } },
      ],
      cursor: {
        drag: { x: true, y: false, setScale: true },
        points: { show: false },
        y: false,
        bind: { dblclick: () => () => { this.reset(); return null; } },
      },
      hooks: {
        drawClear: [(u) => this.#shade(u)],
        setSelect: [() => (this.#zoomed = true)],
        setCursor: [(u) => this.#handlers.onCursor(u.cursor.idx ?? null)],
        draw: [(u) => this.#placeMarkers(u)],
        setScale: [(_, scale) => { if (scale === 'x') this.#handlers.onZoom(this.#zoomed); }],
      },
    };
  }

  /** Room for the first counts of the red zone, however few the exceptions are. */
  #top(high: number): number {
    const red = Math.max(0, ...(this.#series?.limits ?? []).map((l) => l.yellow + 1));
    return Math.max(high, red) * 1.12 + 1;
  }

  /** The zones as bands, each with its letter at the right edge. */
  #shade(u: uPlot): void {
    const { time, limits } = this.#series ?? { time: [], limits: [] };
    const { left, top, width, height } = u.bbox;
    const x = (seconds: number): number => Math.round(Math.max(left, Math.min(left + width, u.valToPos(seconds, 'x', true))));
    const y = (count: number): number => Math.round(Math.max(top, Math.min(top + height, u.valToPos(count, 'y', true))));
    u.ctx.save();
    for (const [k, { from, to, green, yellow }] of limits.entries()) {
      const [x0, x1] = [x(time[from] ?? 0), to + 1 < time.length ? x(time[to + 1] ?? 0) : left + width];
      if (x1 <= x0) continue;
      const edges = [top + height, y(green + HALF), y(yellow + HALF), top];
      (['green', 'yellow', 'red'] as const).forEach((zone, i) => {
        const [below = 0, above = 0] = [edges[i], edges[i + 1]];
        u.ctx.fillStyle = color(COLOR[zone]);
        u.ctx.globalAlpha = SHADE[zone];
        u.ctx.fillRect(x0, above, x1 - x0, below - above);
        u.ctx.globalAlpha = 1;
        if (zone !== 'red') u.ctx.fillRect(x0, above, x1 - x0, devicePixelRatio);
        if (k === limits.length - 1) letter(u.ctx, LETTER[zone], left + width, (below + above) / 2);
      });
    }
    u.ctx.restore();
  }

  #mark({ changes }: ZoneSeries): void {
    for (const { element } of this.#markers) element.remove();
    this.#markers = changes.map((row) => {
      const title = `${row.zone_before} to ${row.zone} on ${day(row.date)}: ${row.exceptions} exceptions in ${row.observations} days`;
      const element = Object.assign(document.createElement('span'), { className: 'change', title });
      element.dataset['change'] = `${row.date} ${row.zone}`;
      element.append(Object.assign(document.createElement('b'), { textContent: LETTER[row.zone] }));
      this.#plot.over.append(element);
      return { time: seconds(row.date), element };
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

function letter(context: CanvasRenderingContext2D, text: string, right: number, middle: number): void {
  context.font = `600 ${12 * devicePixelRatio}px 'IBM Plex Sans Variable', sans-serif`;
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  context.fillText(text, right - 5 * devicePixelRatio, middle);
}
