import type { BookNode, Run } from './contract.ts';

const DEFAULT_METHOD = 'historical';
const DEFAULT_CONFIDENCE = 0.99;

const VIEWS = ['book', 'zones', 'regimes'] as const;

export type View = (typeof VIEWS)[number];

/** What the desk looks at, kept in the address so that a link or a reload shows the same. */
export class Selection {
  node = $state<number | null>(null);
  method = $state(DEFAULT_METHOD);
  confidence = $state(DEFAULT_CONFIDENCE);
  view = $state<View>('book');
  instrument = $state<number | null>(null);

  constructor() {
    this.#read();
    addEventListener('hashchange', () => this.#read());
  }

  choose(change: { node?: number; method?: string; confidence?: number; view?: View; instrument?: number }): void {
    if (change.node !== undefined) this.node = change.node;
    if (change.method !== undefined) this.method = change.method;
    if (change.confidence !== undefined) this.confidence = change.confidence;
    if (change.view !== undefined) this.view = change.view;
    if (change.instrument !== undefined) this.instrument = change.instrument;
    this.#write();
  }

  /** Fall back to what exists when an address names something that does not. */
  settle(run: Run | null, nodes: readonly BookNode[]): void {
    const first = nodes[0];
    if (first && !nodes.some((n) => n.node_id === this.node)) this.node = first.node_id;
    if (!run) return;
    if (!run.methods.some((m) => m.name === this.method)) this.method = run.methods[0]?.name ?? DEFAULT_METHOD;
    if (!run.confidences.includes(this.confidence)) {
      this.confidence = run.confidences.includes(DEFAULT_CONFIDENCE) ? DEFAULT_CONFIDENCE : (run.confidences[0] ?? DEFAULT_CONFIDENCE);
    }
  }

  #read(): void {
    const values = new URLSearchParams(location.hash.slice(1));
    const node = Number(values.get('node') ?? NaN);
    const confidence = Number(values.get('confidence') ?? NaN);
    if (Number.isInteger(node)) this.node = node;
    if (confidence > 0 && confidence < 1) this.confidence = confidence;
    this.method = values.get('method') ?? this.method;
    this.view = VIEWS.find((view) => view === values.get('view')) ?? 'book';
    const instrument = Number(values.get('instrument') ?? NaN);
    if (Number.isInteger(instrument)) this.instrument = instrument;
  }

  #write(): void {
    const values = new URLSearchParams({ method: this.method, confidence: String(this.confidence) });
    if (this.node !== null) values.set('node', String(this.node));
    if (this.view !== 'book') values.set('view', this.view);
    if (this.view === 'regimes' && this.instrument !== null) values.set('instrument', String(this.instrument));
    history.replaceState(null, '', `#${values}`);
  }
}
