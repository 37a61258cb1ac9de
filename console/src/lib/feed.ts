import { ApiError, getNodes, getRun, getSnapshots, streamAddress } from './api.ts';
import type { BookNode, DayClose, Run, Snapshot } from './contract.ts';

/** `live`: events arrive. `silent`: connected, but the once-a-second heartbeat is missing. `down`: no connection. `locked`: a key is needed. */
export type Link = 'connecting' | 'live' | 'silent' | 'down' | 'locked';

export interface LinkState {
  link: Link;
  /** Wall clock of the last event, ms; 0 before the first. */
  heardMs: number;
  /** Wall clock of the next attempt, ms; 0 when none is planned. */
  retryMs: number;
  reason: string;
}

export interface FeedHandlers {
  onState(state: LinkState): void;
  onRun(run: Run): void;
  onNodes(nodes: BookNode[]): void;
  onSnapshots(snapshots: Snapshot[]): void;
  onClose(close: DayClose & { node_id: number }): void;
}

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 10_000;
/** The run event is the heartbeat, once a second: three in a row missing is silence, ten is a dead connection. */
const SILENT_AFTER_MS = 3_500;
const DEAD_AFTER_MS = 10_000;
const WATCH_MS = 500;
const OPEN_WITHIN_MS = 10_000;

/**
 * Keeps one event stream open for as long as the page lives. Each connection subscribes first and then reads the run, the nodes and
 * all snapshots, so nothing falls between the two; what arrives twice is sorted out by `merge`.
 */
export class Feed {
  readonly #handlers: FeedHandlers;
  #source: EventSource | null = null;
  #abort = new AbortController();
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #attempt = 0;
  #state: LinkState = { link: 'connecting', heardMs: 0, retryMs: 0, reason: '' };

  constructor(handlers: FeedHandlers) {
    this.#handlers = handlers;
  }

  start(): void {
    this.#watch = setInterval(() => this.#check(), WATCH_MS);
    void this.#connect();
  }

  stop(): void {
    clearInterval(this.#watch);
    this.#drop();
  }

  /** Try now instead of waiting for the back-off, or with a new key. */
  retryNow(): void {
    this.#attempt = 0;
    this.#drop();
    void this.#connect();
  }

  #set(change: Partial<LinkState>): void {
    this.#state = { ...this.#state, ...change };
    this.#handlers.onState(this.#state);
  }

  #drop(): void {
    clearTimeout(this.#retry);
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#source?.close();
    this.#source = null;
  }

  async #connect(): Promise<void> {
    const { signal } = this.#abort;
    if (this.#state.link !== 'down') this.#set({ link: 'connecting', retryMs: 0 });
    else this.#set({ retryMs: 0 });
    try {
      this.#handlers.onRun(await getRun(signal)); // before the stream: an EventSource cannot tell 401 from a network fault
      await this.#subscribe(signal);
      const [nodes, snapshots] = await Promise.all([getNodes(signal), getSnapshots(signal)]);
      this.#handlers.onNodes(nodes);
      this.#handlers.onSnapshots(snapshots);
      this.#attempt = 0;
      this.#heard();
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  #subscribe(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const source = new EventSource(streamAddress());
      this.#source = source;
      const lost = new ApiError(0, 'Stream lost', 'The event stream was closed.', streamAddress().split('?')[0] ?? '');
      const overdue = setTimeout(() => source.onerror?.(new Event('error')), OPEN_WITHIN_MS);
      source.onopen = () => {
        clearTimeout(overdue);
        resolve();
      };
      source.onerror = () => {
        clearTimeout(overdue);
        reject(lost);
        if (!signal.aborted) this.#fail(lost);
      };
      signal.addEventListener('abort', () => { clearTimeout(overdue); reject(lost); }, { once: true });
      const on = <T>(name: string, use: (value: T) => void): void =>
        source.addEventListener(name, (event: MessageEvent<string>) => {
          if (signal.aborted) return;
          use(JSON.parse(event.data) as T);
          this.#heard();
        });
      on<Run>('run', (run) => this.#handlers.onRun(run));
      on<{ snapshots: Snapshot[] }>('snapshots', (event) => this.#handlers.onSnapshots(event.snapshots));
      on<DayClose & { node_id: number }>('close', (close) => this.#handlers.onClose(close));
    });
  }

  #heard(): void {
    const heardMs = Date.now();
    if (this.#state.link === 'live') this.#state = { ...this.#state, heardMs };
    else this.#set({ link: 'live', heardMs, retryMs: 0, reason: '' });
  }

  #fail(error: unknown): void {
    this.#drop();
    const reason = error instanceof ApiError ? error.detail : String(error);
    if (error instanceof ApiError && error.status === 401) {
      this.#set({ link: 'locked', retryMs: 0, reason });
      return;
    }
    const wait = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** this.#attempt) * (0.8 + 0.4 * Math.random());
    this.#attempt += 1;
    this.#set({ link: 'down', retryMs: Date.now() + wait, reason });
    this.#retry = setTimeout(() => void this.#connect(), wait);
  }

  #check(): void {
    const { link, heardMs } = this.#state;
    if (link !== 'live' && link !== 'silent') return;
    const quiet = Date.now() - heardMs;
    if (quiet > DEAD_AFTER_MS) this.#fail(new ApiError(0, 'No heartbeat', `Nothing heard for ${Math.round(quiet / 1000)} s.`, 'stream'));
    else if (link === 'live' && quiet > SILENT_AFTER_MS) this.#set({ link: 'silent', reason: 'The heartbeat of the stream is missing.' });
  }
}
