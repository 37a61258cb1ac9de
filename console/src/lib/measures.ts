import type { MethodNumbers } from './contract.ts';

/** Measures beside VaR and ES: a name for people, and what it says. Unknown ones are shown as they are. */
const KNOWN: Record<string, [string, string]> = {
  spectral_risk: ['Spectral risk', 'VaR averaged over all confidences, the more weight the deeper; on average as deep as ES.'],
  expectile_value_at_risk: ['Expectile VaR', 'The cash at which expected gains outweigh expected losses by the confidence to its rest.'],
  entropic_value_at_risk: ['Entropic VaR', 'The largest mean loss over all laws within an entropy of this one; at least ES.'],
  shortfall_ratio: ['ES over VaR', 'How heavy the tail is: 1.15 for a normal law at 99 %.'],
  maximum_drawdown: ['Maximum drawdown', 'The deepest fall from a peak, today’s positions held through the window.'],
  conditional_drawdown_at_risk: ['Conditional drawdown', 'The mean of the deepest drawdowns beyond the confidence.'],
  entropic_drawdown_at_risk: ['Entropic drawdown', 'Entropic VaR of the drawdowns.'],
};
const ORDER = Object.keys(KNOWN);
const RATIOS = new Set(['shortfall_ratio']);

export interface OtherMeasure {
  name: string;
  label: string;
  meaning: string;
  value: number;
  ratio: boolean;
}

/** The further measures of the first method that has some, at a confidence, in the order in which they are known. */
export function otherMeasures(items: readonly MethodNumbers[], confidence: number): OtherMeasure[] {
  const found = items.find((n) => n.confidence === confidence && n.measures)?.measures ?? {};
  const rank = (name: string): number => (name in KNOWN ? ORDER.indexOf(name) : ORDER.length);
  return Object.entries(found)
    .sort(([a], [b]) => rank(a) - rank(b))
    .map(([name, value]) => ({
      name,
      label: KNOWN[name]?.[0] ?? name.replaceAll('_', ' '),
      meaning: KNOWN[name]?.[1] ?? '',
      value,
      ratio: RATIOS.has(name),
    }));
}
