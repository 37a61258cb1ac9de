/** What each doubt about a number means, in a word for a chip and a sentence for its tooltip; the gravest first. Unknown ones are shown as they are. */
const KNOWN: Record<string, [string, string]> = {
  not_finite: ['no number', 'The calculation gave no finite number, so none is shown.'],
  unpriced: ['unpriced', 'A holding has no price yet and is left out.'],
  degraded: ['degraded', 'More of the market value than allowed rests on stale prices or on moves taken from a proxy.'],
  short_window: ['short window', 'Fewer days have been seen than the scenario window holds.'],
  fallback_historical: ['history instead', 'The method has no number for this book: historical simulation stands in.'],
  equal_weights: ['equal weights', 'The rule has no weights for this book: all days count the same.'],
  window_shortened: ['shorter window', 'The volatility of the P&L changed: only the days since then count.'],
  window_mixed: ['mixed window', 'The volatility of the P&L changed so lately that days from before are needed to fill the window.'],
  window_untested: ['window untested', 'Too few days to look for a change of volatility: all of them count.'],
  no_liquidity_terms: ['liquidity unknown', 'The configuration has no spread or time to sell for a holding: it counts as perfectly liquid.'],
  one_regime: ['one regime', 'One normal law describes the days as well as two: regimes are not told apart.'],
  thin_state: ['thin regime', 'A regime has few days.'],
  singular: ['thin regime', 'A regime rests on days that are nearly equal.'],
  no_variance: ['no variance', 'All scenarios are equal, so there is nothing to fit.'],
  not_converged: ['not converged', 'The fit ended before it was done.'],
  moments: ['by moments', 'The likelihood has no maximum: the standard deviation gives the scale.'],
  df_at_lower_bound: ['very heavy tail', 'The fitted tail is too heavy for a variance: degrees of freedom stand at their lower bound.'],
  df_at_upper_bound: ['normal tail', 'No heavier tail than the normal was found: degrees of freedom stand at their upper bound.'],
  at_bound: ['at its bound', 'A parameter of the volatility model stands at the edge of its range.'],
  near_unit_root: ['no long run', 'Shocks to volatility hardly die out: tomorrow’s stands, a long-run one does not.'],
  no_clustering: ['no clustering', 'Volatility shows no reaction to news: it is taken as constant.'],
  too_short: ['too short', 'Too few days for the volatility model: the mean square stands in.'],
  constant: ['no variance', 'All scenarios are equal, so there is nothing to fit.'],
  rearranged: ['rearranged', 'Skewness and kurtosis lie outside the expansion’s domain: its values were sorted into a quantile function.'],
  irregular: ['irregular fit', 'The fitted tail ends at a finite loss: its standard errors do not hold.'],
  boundary: ['at its boundary', 'The fit stands at the edge of what is possible: the tail looks uniform up to the worst loss.'],
  few_exceedances: ['few in the tail', 'Few losses lie beyond the threshold of the fitted tail.'],
  infinite_mean: ['no mean', 'The fitted tail has no mean: the empirical shortfall stands in.'],
  body: ['inside the body', 'This confidence lies below the threshold of the fitted tail: the empirical number stands in.'],
  thin_tail: ['thin tail', 'Fewer than one scenario lies beyond this confidence: the figure rests on the single worst one.'],
};
const ORDER = Object.keys(KNOWN);
const rank = (doubt: string): number => (ORDER.indexOf(doubt) < 0 ? ORDER.length : ORDER.indexOf(doubt));

/** The doubts in some statuses ("thin_tail+degraded"), each once, the gravest first; none for "ok". */
export function doubts(...statuses: (string | undefined)[]): string[] {
  const found = statuses.flatMap((status) => status?.split('+') ?? []).filter((doubt) => doubt !== '' && doubt !== 'ok');
  return [...new Set(found)].sort((a, b) => rank(a) - rank(b));
}

export const statusWord = (status: string): string => KNOWN[status]?.[0] ?? status.replaceAll('_', ' ');
export const statusMeaning = (status: string): string => KNOWN[status]?.[1] ?? `The service reports the status “${status}”.`;
