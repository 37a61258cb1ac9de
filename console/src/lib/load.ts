/**
 * The load line: how far the loss since the last close has gone towards the newest final value at risk, which at a close is the forecast for today.
 * 1 is the line itself (an exception if the day ended now), 0 is flat, below 0 is a gain. Null where there is no positive line to measure by.
 */
export function loadOf(pnl: number | null | undefined, forecastVar: number | null | undefined): number | null {
  if (pnl == null || forecastVar == null || !(forecastVar > 0)) return null;
  return pnl === 0 ? 0 : -pnl / forecastVar;
}

export type LoadBand = 'gain' | 'calm' | 'near' | 'over';

export const loadBand = (load: number): LoadBand => (load > 1 ? 'over' : load > 0.75 ? 'near' : load >= 0 ? 'calm' : 'gain');
