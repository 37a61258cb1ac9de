import { ApiError } from './api.ts';

/**
 * Something read from the service for one key (a node, method and confidence), and read again as it changes: one request at a time, no more
 * often than `gapMs`, the last key wins. While a new key loads the old data stays, marked `loading`; after an error there is none.
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
      const wait = Math.max(0, this.#startedMs + this.#gapMs - Date.now());
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        void this.#read(this.loading ? null : this.data);
      }, wait);
    }
  }

  /** Forget what is held and read all of it again. */
  reload(): void {
    const [key, fetcher] = [this.#key, this.#fetcher];
    if (key === null || fetcher === null) return;
    this.#key = null;
    this.show(key, true, fetcher);
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
      this.data = null;
      this.error = error instanceof ApiError ? error : new ApiError(0, 'Unexpected answer', String(error), '');
    }
    this.loading = false;
    this.#busy = false;
    if (this.#again) {
      this.#again = false;
      this.refresh();
    }
  }
}
