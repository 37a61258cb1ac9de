/** Numbers and times as the desk reads them: grouped, true minus signs, UTC, and an em dash where there is no number. */

const NONE = '—';
const cache = new Map<string, Intl.NumberFormat>();

function numberFormat(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const name = JSON.stringify(options);
  let made = cache.get(name);
  if (!made) cache.set(name, (made = new Intl.NumberFormat('en-GB', options)));
  return made;
}

const known = (value: number | null | undefined): value is number => value !== null && value !== undefined && Number.isFinite(value);
const dashed = (text: string): string => text.replace('-', '−');

/** Money to the whole unit: 1,234,567. Never "−0". */
export function money(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  return dashed(numberFormat({ maximumFractionDigits: 0, signDisplay: 'negative' }).format(value));
}

/** Money with its sign always shown: +1,234. */
export function signedMoney(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  return dashed(numberFormat({ maximumFractionDigits: 0, signDisplay: 'exceptZero' }).format(value));
}

/** "gain" or "loss" for what is shown: nothing for an amount that reads as zero. */
export function tone(value: number | null | undefined): 'gain' | 'loss' | '' {
  if (!known(value) || Math.abs(value) < 0.5) return '';
  return value > 0 ? 'gain' : 'loss';
}

export type Scale = { divisor: number; digits: number; name: string };

/** One scale for a whole table, so that its figures compare at a glance. */
export function scaleFor(values: readonly (number | null | undefined)[]): Scale {
  const largest = Math.max(0, ...values.filter(known).map(Math.abs));
  if (largest >= 1e10) return { divisor: 1e6, digits: 0, name: 'millions' };
  if (largest >= 1e7) return { divisor: 1e6, digits: 2, name: 'millions' };
  if (largest >= 1e4) return { divisor: 1e3, digits: largest >= 1e6 ? 0 : largest >= 1e5 ? 1 : 2, name: 'thousands' };
  return { divisor: 1, digits: 0, name: '' };
}

export const scaled = (value: number | null | undefined, scale: Scale): string =>
  decimal(known(value) ? value / scale.divisor : null, scale.digits);

/** 2.1m, −340k: for axes and gauges. */
export function compact(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  const text = numberFormat({ notation: 'compact', maximumSignificantDigits: 3 }).format(value);
  return dashed(text).replace('K', 'k').replace('M', 'm').replace('B', 'bn').replace('T', 'tn');
}

export function quantity(value: number | null | undefined): string {
  return known(value) ? dashed(numberFormat({ maximumFractionDigits: 2 }).format(value)) : NONE;
}

export function price(value: number | null | undefined): string {
  return known(value) ? dashed(numberFormat({ minimumFractionDigits: 2, maximumFractionDigits: 4 }).format(value)) : NONE;
}

/** A share in percent; nothing at all when it is exactly zero, so that what is not zero stands out. */
export function share(value: number | null | undefined): string {
  if (!known(value)) return NONE;
  if (value === 0) return '0';
  return value < 0.001 ? '<0.1 %' : `${numberFormat({ maximumFractionDigits: 1 }).format(value * 100)} %`;
}

export function percent(value: number | null | undefined, digits = 0): string {
  return known(value) ? `${decimal(value * 100, digits)} %` : NONE;
}

/** 0.975 → "97.5 %". */
export const confidenceName = (value: number): string => `${numberFormat({ maximumFractionDigits: 3 }).format(value * 100)} %`;

export function decimal(value: number | null | undefined, digits: number): string {
  if (!known(value)) return NONE;
  return dashed(numberFormat({ minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: 'negative' }).format(value));
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (n: number): string => String(n).padStart(2, '0');

/** 15 Oct 2008, in UTC, from an ISO date or time. */
export function day(iso: string | null | undefined): string {
  const d = new Date(iso ?? NaN);
  return Number.isNaN(d.getTime()) ? NONE : `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()}`;
}

/** Wed 15 Oct 2008 */
export function longDay(iso: string | null | undefined): string {
  const d = new Date(iso ?? NaN);
  return Number.isNaN(d.getTime()) ? NONE : `${WEEKDAYS[d.getUTCDay()]} ${day(iso)}`;
}

/** 20:00 UTC; seconds only where they say something. */
export function clock(iso: string | null | undefined): string {
  const d = new Date(iso ?? NaN);
  if (Number.isNaN(d.getTime())) return NONE;
  const seconds = d.getUTCSeconds() ? `:${two(d.getUTCSeconds())}` : '';
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}${seconds}`;
}

/** How long ago, for people: 4 s, 3 min, 2 h. */
export function ago(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) return `${s} s`;
  return s < 5_400 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3_600)} h`;
}
