import type { Bar } from './bars.ts';
import type { Attribution, AttributionItem, AttributionPart, Components } from './contract.ts';

const BARS_MOST = 40;

const partOf = (item: AttributionItem, which: string): AttributionPart => (which === 'var' ? item.var : item.es);

export const sumOf = (of: Attribution, which: string): number => of.items.reduce((s, item) => s + partOf(item, which).component, 0);

export const groupBars = (of: Attribution, which: string): Bar[] =>
  of.items.map((item) => {
    const { component, standalone, incremental } = partOf(item, which);
    return { name: item.label, value: component, exposure: null, marginal: null, standalone, incremental };
  });

export const instrumentBars = (of: Components | null, which: string): Bar[] =>
  (of?.items ?? []).map((item) => ({
    name: item.symbol,
    value: which === 'var' ? item.component_var : item.component_es,
    exposure: item.exposure,
    marginal: which === 'var' ? item.marginal_var : null,
    standalone: null,
    incremental: null,
  }));

/** Sorted, largest first; beyond forty the smallest by size are one bar, so the sum still stands. */
export function largest(all: readonly Bar[]): Bar[] {
  const bySize = all.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const rest = bySize.slice(BARS_MOST);
  const kept: Bar[] = bySize.slice(0, BARS_MOST).sort((a, b) => b.value - a.value);
  if (rest.length > 0) {
    const value = rest.reduce((s, b) => s + b.value, 0);
    kept.push({ name: `${rest.length} more`, value, exposure: null, marginal: null, standalone: null, incremental: null });
  }
  return kept;
}
