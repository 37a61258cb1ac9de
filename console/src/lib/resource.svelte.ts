import { ApiError } from './api.ts';

const RETRY_MS = 5_000;

/**
 * Something read from the service for one key (a node, method and confidence), and read again as it changes: one request at a time, no more
 * often than `gapMs`, the last key wins. While a new key loads the old data stays, marked `loading`. When a reading fails it is tried again by
 * itself; data of the same key stays beside the error, data of another key goes.
 */
export class Resource<T> {
  data = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  loading = $state(false);

  readonly #gapMs: number;
  #key: string | null = null;
  #fetcher: ((held: T | null, signal: AbortSignal) => Promise<T>) | null = null;
  #abort = new AbortController();
  #busy = false;
  #again = false;
  #startedMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(gapMs: number) {
    this.#gapMs = gapMs;
  }

  /** Show `key`; the fetcher gets what is held for the same key, or null. While the service is away (`live` false) what is held stays. */
  show(key: string, live: boolean, fetcher: (held: T | null, signal: AbortSignal) => Promise<T>): void {
    const same = key === this.#key;
    this.#fetcher = fetcher;
    if (same) {
      if (live) this.refresh();
      return;
    }
    this.#key = key;
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#busy = this.#again = false;
    this.loading = true;
    void this.#read(null);
  }

  /** Read again, soon. */
  refresh(): void {
    if (this.#busy) {
      this.#again = true;
    } else if (this.#timer === undefined) {
      this.#later(Math.max(0, this.#startedMs + this.#gapMs - Date.now()));
    }
  }

  #later(waitMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#read(this.data);
    }, waitMs);
  }

  /** Read again now, not when the pause is over. */
  retryNow(): void {
    if (this.#busy) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#read(this.data);
  }

  async #read(held: T | null): Promise<void> {
    if (!this.#fetcher) return;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#busy = true;
    this.#startedMs = Date.now();
    try {
      const data = await this.#fetcher(held, signal);
      if (signal.aborted) return;
      this.data = data;
      this.error = null;
    } catch (error) {
      if (signal.aborted) return;
      if (this.loading) this.data = null;
      this.error = error instanceof ApiError ? error : new ApiError(0, 'Unexpected answer', String(error), '');
    }
    this.loading = false;
    this.#busy = false;
    if (this.error) this.#later(RETRY_MS);
    else if (this.#again) this.refresh();
    this.#again = false;
  }
}
