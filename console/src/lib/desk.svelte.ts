import { setKey } from './api.ts';
import type { BookNode, Run, Snapshot } from './contract.ts';
import { Feed, type LinkState } from './feed.ts';
import { merge } from './merge.ts';

/** One node's numbers. Each node is its own signal, so a tick redraws only the rows it touches. */
export class Cell {
  snapshot = $state.raw<Snapshot | null>(null);
  /** How many day closes were heard on the stream. */
  closes = $state(0);
  #heardFrom: string | null = null;

  hear(date: string): void {
    if (this.#heardFrom === null || date < this.#heardFrom) this.#heardFrom = date;
    this.closes += 1;
  }

  /** The earliest day that closed, or closed anew, and has not been read since. */
  get heardFrom(): string | null {
    return this.#heardFrom;
  }

  /** What was heard before a reading is done with; an earlier day heard meanwhile is not. */
  forget(heard: string | null): void {
    if (this.#heardFrom === heard) this.#heardFrom = null;
  }
}

/** All the page knows about the service. What arrives between two frames is applied in one go. */
export class Desk {
  run = $state.raw<Run | null>(null);
  nodes = $state.raw<BookNode[]>([]);
  link = $state.raw<LinkState>({ link: 'connecting', heardMs: 0, retryMs: 0, reason: '' });
  /** True where the numbers on screen cannot be trusted to be current. */
  readonly outdated = $derived(this.link.link !== 'live' && !(this.link.link === 'connecting' && this.run === null));
  readonly isLive = $derived(this.link.link === 'live');
  /** A value, not the run: it changes only when the run does, not with each heartbeat. */
  readonly runId = $derived(this.run?.run_id ?? '');
  hasNumbers = $state(false);
  /** The time being replayed: the run says it once a second, the stream of a fast replay is ahead of that. */
  readonly now = $derived.by(() => {
    const root = this.nodes[0] ? this.cell(this.nodes[0].node_id).snapshot : null;
    const times = [this.run?.clock.as_of, root?.final?.as_of, root?.live?.event_time].filter((t): t is string => !!t);
    return times.reduce<string | null>((latest, t) => (latest === null || Date.parse(t) > Date.parse(latest) ? t : latest), null);
  });

  readonly #cells = new Map<number, Cell>();
  readonly #waiting = new Map<number, Snapshot>();
  #frame = 0;
  readonly #feed = new Feed({
    onState: (state) => (this.link = state),
    onRun: (run) => this.#onRun(run),
    onNodes: (nodes) => (this.nodes = nodes),
    onSnapshots: (snapshots) => this.#onSnapshots(snapshots),
    onClose: (close) => this.cell(close.node_id).hear(close.date),
  });

  start(): void {
    this.#feed.start();
  }

  stop(): void {
    this.#feed.stop();
  }

  retryNow(): void {
    this.#feed.retryNow();
  }

  unlock(key: string): void {
    setKey(key);
    this.#feed.retryNow();
  }

  cell(nodeId: number): Cell {
    let cell = this.#cells.get(nodeId);
    if (!cell) this.#cells.set(nodeId, (cell = new Cell()));
    return cell;
  }

  #onRun(run: Run): void {
    if (this.run && this.run.run_id !== run.run_id) this.#startOver();
    this.run = run;
  }

  /** Another run starts another log: nothing held may outlive it. */
  #startOver(): void {
    this.#waiting.clear();
    for (const cell of this.#cells.values()) cell.snapshot = null;
    this.hasNumbers = false;
  }

  #onSnapshots(snapshots: Snapshot[]): void {
    for (const next of snapshots) this.#waiting.set(next.node_id, merge(this.#waiting.get(next.node_id) ?? null, next));
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#apply());
  }

  #apply(): void {
    this.#frame = 0;
    for (const [nodeId, next] of this.#waiting) {
      const cell = this.cell(nodeId);
      cell.snapshot = merge(cell.snapshot, next);
      if (next.live || next.final) this.hasNumbers = true;
    }
    this.#waiting.clear();
  }
}
