import type uPlot from 'uplot';

const WIDEST_PX = 13;

/**
 * A uPlot path builder: one bar a day from zero, and where many days share a pixel column, one bar from the least to the greatest of them,
 * so 8,000 days cost no more to draw than the screen is wide.
 */
export const stems: uPlot.Series.PathBuilder = (u, seriesIndex, from, to) => {
  const fill = new Path2D();
  const xs = u.data[0];
  const ys = u.data[seriesIndex];
  if (!ys || to < from) return { stroke: null, fill };
  const zero = Math.round(u.valToPos(0, 'y', true));
  const span = u.valToPos(xs[to] ?? 0, 'x', true) - u.valToPos(xs[from] ?? 0, 'x', true);
  const width = Math.max(1, Math.min(WIDEST_PX * devicePixelRatio, Math.round((span / Math.max(1, to - from)) * 0.62)));
  let column = NaN;
  let top = zero;
  let bottom = zero;
  const draw = (): void => {
    if (!Number.isNaN(column)) fill.rect(column, top, width, Math.max(1, bottom - top));
  };
  for (let i = from; i <= to; i += 1) {
    const value = ys[i];
    if (value === null || value === undefined) continue;
    const x = Math.round(u.valToPos(xs[i] ?? 0, 'x', true) - width / 2);
    const y = Math.round(u.valToPos(value, 'y', true));
    if (x !== column) {
      draw();
      column = x;
      top = Math.min(zero, y);
      bottom = Math.max(zero, y);
    } else {
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  draw();
  return { stroke: null, fill, flags: 0 };
};
