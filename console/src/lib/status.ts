/** What a status that is not "ok" means, in a word for a chip and a sentence for its tooltip. Unknown ones are shown as they are. */
const KNOWN: Record<string, [string, string]> = {
  thin_tail: ['thin tail', 'Fewer than one scenario lies beyond this confidence: the figure rests on the single worst one.'],
  degraded: ['degraded', 'More than 5 % of the exposure rests on proxied or stale data.'],
  proxied: ['proxied', 'Missing returns were filled from a proxy instrument.'],
  stale: ['stale', 'Some prices are older than the result they went into.'],
  warming_up: ['warming up', 'The estimator has not seen enough data yet.'],
};

export const statusWord = (status: string): string => KNOWN[status]?.[0] ?? status.replaceAll('_', ' ');
export const statusMeaning = (status: string): string => KNOWN[status]?.[1] ?? `The service reports the status “${status}”.`;
