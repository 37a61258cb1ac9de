import type {
  Attribution, Backtests, BookNode, ChangePoint, Components, DayClose, Health, MethodNumbers, Outcome, Page, Positions, ProblemDocument,
  RegimeModel, Regimes, RegimeState, Run, Snapshot, VolatilityForecast, ZoneRow, Zones,
} from './contract.ts';

const ROOT = 'api/v1';
const KEY_NAME = 'plimsoll.api_key';
const TIMEOUT_MS = 15_000;
const SECOND_TRY_AFTER_MS = 250;
const PAGE_ITEMS = 4_000;
const PAGES_MAX = 64;
const ZONES_MAX = 1_000;

/** A failed request: the server's problem document, or what is known when there was no answer at all (status 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly instance: string;

  constructor(status: number, title: string, detail: string, instance: string) {
    super(`${title}: ${detail}`);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.instance = instance;
  }
}

let key: string | null = sessionStorage.getItem(KEY_NAME);

export function setKey(value: string): void {
  key = value;
  sessionStorage.setItem(KEY_NAME, value);
}

export const streamAddress = (): string => `${ROOT}/stream${key ? `?key=${encodeURIComponent(key)}` : ''}`;

async function failure(response: Response, path: string): Promise<ApiError> {
  const fallback = `The service answered ${response.status} ${response.statusText}`.trim();
  let problem: ProblemDocument = {};
  if (response.headers.get('content-type')?.includes('json')) problem = await response.json().catch(() => ({}));
  const title = problem.title ?? 'Request failed';
  return new ApiError(response.status, title, problem.detail ?? fallback, problem.instance ?? path);
}

async function get<T>(path: string, signal?: AbortSignal, accept: (status: number) => boolean = () => false): Promise<T> {
  const limits = AbortSignal.timeout(TIMEOUT_MS);
  const options: RequestInit = {
    headers: { Accept: 'application/json', ...(key ? { 'X-API-Key': key } : {}) },
    cache: 'no-store',
    signal: signal ? AbortSignal.any([signal, limits]) : limits,
  };
  let response: Response;
  try {
    response = await fetch(path, options).catch(async (error: unknown) => {
      if (options.signal?.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, SECOND_TRY_AFTER_MS)); // a browser drops requests when its network changes
      return fetch(path, options);
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const slow = limits.aborted ? `No answer within ${TIMEOUT_MS / 1000} s.` : 'The service could not be reached.';
    throw new ApiError(0, 'No answer', slow, path);
  }
  if (!response.ok && !accept(response.status)) throw await failure(response, path);
  return (await response.json()) as T;
}

const query = (values: Record<string, string | number | undefined>): string =>
  new URLSearchParams(Object.entries(values).flatMap(([k, v]) => (v === undefined ? [] : [[k, String(v)]]))).toString();

export const getRun = (signal?: AbortSignal): Promise<Run> => get(`${ROOT}/run`, signal);

export const getNodes = async (signal?: AbortSignal): Promise<BookNode[]> =>
  (await get<{ nodes: BookNode[] }>(`${ROOT}/nodes`, signal)).nodes;

export const getSnapshots = async (signal?: AbortSignal): Promise<Snapshot[]> =>
  (await get<{ snapshots: Snapshot[] }>(`${ROOT}/snapshots`, signal)).snapshots;

export const getComponents = (
  node: number, method: string, confidence: number, signal?: AbortSignal, as_of?: string,
): Promise<Components> => get(`${ROOT}/nodes/${node}/components?${query({ method, confidence, as_of })}`, signal);

/** Who carries the result behind these components. */
export const getAttribution = (of: Components, by: string, signal?: AbortSignal): Promise<Attribution> =>
  get(`${ROOT}/results/${of.node_id}:${of.as_of_ns}:${of.method}:${of.confidence}/attribution?${query({ by })}`, signal);

export const getPositions = (node: number, signal?: AbortSignal): Promise<Positions> =>
  get(`${ROOT}/nodes/${node}/positions`, signal);

export const getMethods = async (node: number, signal?: AbortSignal): Promise<MethodNumbers[]> =>
  (await get<{ items: MethodNumbers[] }>(`${ROOT}/nodes/${node}/methods`, signal)).items;

export const getBacktests = (
  node: number, confidence: number, window: number, outcome: Outcome, signal?: AbortSignal,
): Promise<Backtests> => get(`${ROOT}/nodes/${node}/backtests?${query({ confidence, window, outcome })}`, signal);

export const getZones = (confidence: number, outcome: Outcome, window: number, signal?: AbortSignal): Promise<Zones> =>
  get(`${ROOT}/zones?${query({ confidence, outcome, window })}`, signal);

/** Zones of one node and method from a time on, oldest first. */
export async function getZoneHistory(
  node: number, values: { method: string; confidence: number; outcome: Outcome; window: number; from?: string | undefined }, signal?: AbortSignal,
): Promise<ZoneRow[]> {
  const items: ZoneRow[] = [];
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const older = query({ ...values, limit: ZONES_MAX, to: items.at(-1)?.as_of_ns });
    const answer = await get<{ items: ZoneRow[] }>(`${ROOT}/nodes/${node}/zones?${older}`, signal);
    items.push(...answer.items);
    if (answer.items.length < ZONES_MAX) break;
  }
  return items.reverse();
}

/** 503 is an answer here, not a failure: it carries the checks that do not pass. */
export const getHealth = (signal?: AbortSignal): Promise<Health> => get('health/ready', signal, (status) => status === 503);

/** Every judged day from a date on, oldest first. */
export const getDayCloses = (
  node: number, method: string, confidence: number, from: string | undefined, signal?: AbortSignal,
): Promise<DayClose[]> => everyPage(`${ROOT}/nodes/${node}/day_closes`, { method, confidence, from }, signal);

export const getRegimes = (signal?: AbortSignal): Promise<Regimes> => get(`${ROOT}/regimes`, signal);

/** Every row about an instrument from a time on, oldest first. */
async function getWatched<T>(instrument: number, what: string, from: string | undefined, signal?: AbortSignal): Promise<T[]> {
  return (await everyPage<T>(`${ROOT}/instruments/${instrument}/${what}`, { from }, signal)).reverse();
}

export const getRegimeStates = (instrument: number, from?: string, signal?: AbortSignal): Promise<RegimeState[]> =>
  getWatched(instrument, 'regimes', from, signal);

export const getRegimeModels = (instrument: number, from?: string, signal?: AbortSignal): Promise<RegimeModel[]> =>
  getWatched(instrument, 'regime-models', from, signal);

export const getChangePoints = (instrument: number, from?: string, signal?: AbortSignal): Promise<ChangePoint[]> =>
  getWatched(instrument, 'change-points', from, signal);

export const getVolatilityForecast = (instrument: number, days: number, level: number, signal?: AbortSignal): Promise<VolatilityForecast> =>
  get(`${ROOT}/instruments/${instrument}/volatility-forecast?${query({ days, level })}`, signal);

/** All pages, in the order of the service. */
async function everyPage<T>(path: string, values: Record<string, string | number | undefined>, signal?: AbortSignal): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await get<Page<T>>(`${path}?${query({ ...values, limit: PAGE_ITEMS, cursor })}`, signal);
    items.push(...answer.items);
    if (answer.next_cursor === null) return items;
    cursor = answer.next_cursor;
  }
  return items;
}
