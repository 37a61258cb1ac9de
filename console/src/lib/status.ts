/** What each doubt about a number means, in a word for a chip and a sentence for its tooltip; the gravest first. Unknown ones are shown as they are. */
const KNOWN: Record<string, [string, string]> = {
  not_finite: ['no number', 'The calculation gave no finite number, so none is shown.'],
  unpriced: ['unpriced', 'A holding has no price yet and is left out.'],
  degraded: ['degraded', 'More of the market value than allowed rests on stale prices or on moves taken from a proxy.'],
  short_window: ['short window', 'Fewer days have been seen than the scenario window holds.'],
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
