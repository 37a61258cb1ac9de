const LASTS_MS = 500;
const AT_MOST_EACH_MS = 2_000;
const still = matchMedia('(prefers-reduced-motion: reduce)');
const waiting = new Set<HTMLElement>();

/** All tints of a frame together: asking each cell for its visibility between two writes would lay the page out once a cell. */
function flashAll(): void {
  const seen = [...waiting].filter((element) => element.checkVisibility({ contentVisibilityAuto: true }));
  waiting.clear();
  for (const element of seen) {
    element.animate([{ backgroundColor: 'var(--flash)' }, { backgroundColor: 'transparent' }], { duration: LASTS_MS, easing: 'ease-out' });
  }
}

/** A brief tint when a cell's text changes: at most one each 2 s a cell, so that a busy tape stays calm; none where motion is unwanted. */
export function flash(element: HTMLElement, text: string): { update(text: string): void; destroy(): void } {
  let shown = text;
  let lastMs = 0;
  return {
    update(next) {
      if (next === shown) return;
      const first = shown === '—';
      shown = next;
      const now = performance.now();
      if (first || still.matches || now - lastMs < AT_MOST_EACH_MS) return;
      lastMs = now;
      if (waiting.size === 0) requestAnimationFrame(flashAll);
      waiting.add(element);
    },
    destroy: () => void waiting.delete(element),
  };
}
