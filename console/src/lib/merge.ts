import type { Final, Live, Snapshot } from './contract.ts';

/** A live number never goes back in the log. */
const newerLive = (held: Live | null, next: Live | null): Live | null =>
  held && next && next.log_seq < held.log_seq ? held : (next ?? held);

/** A final number never goes back in (as_of, revision). */
function newerFinal(held: Final | null, next: Final | null): Final | null {
  if (!held || !next) return next ?? held;
  const order = Date.parse(next.as_of) - Date.parse(held.as_of) || next.revision - held.revision;
  return order < 0 ? held : next;
}

/** Join what is shown with what came in: the same compare-and-set rule the snapshot store keeps, within one run. */
export function merge(held: Snapshot | null, next: Snapshot): Snapshot {
  if (!held) return next;
  const closed = held.last_close && next.last_close && next.last_close.date < held.last_close.date;
  return {
    node_id: next.node_id,
    live: newerLive(held.live, next.live),
    final: newerFinal(held.final, next.final),
    last_close: closed ? held.last_close : (next.last_close ?? held.last_close),
  };
}
