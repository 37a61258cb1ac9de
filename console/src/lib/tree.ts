import type { BookNode } from './contract.ts';

export interface TreeRow {
  node: BookNode;
  level: number;
  position: number;
  siblings: number;
  expandable: boolean;
  expanded: boolean;
}

/** The visible rows of the book, depth first, in the server's order. A node whose parent is unknown is a root, never lost. */
export function visibleRows(nodes: readonly BookNode[], collapsed: ReadonlySet<number>): TreeRow[] {
  const known = new Set(nodes.map((n) => n.node_id));
  const children = new Map<number | null, BookNode[]>();
  for (const node of nodes) {
    const parent = node.parent_id !== null && known.has(node.parent_id) ? node.parent_id : null;
    const list = children.get(parent);
    if (list) list.push(node);
    else children.set(parent, [node]);
  }
  const rows: TreeRow[] = [];
  const walk = (parent: number | null, level: number): void => {
    const siblings = children.get(parent) ?? [];
    siblings.forEach((node, i) => {
      const expandable = children.has(node.node_id);
      const expanded = expandable && !collapsed.has(node.node_id);
      rows.push({ node, level, position: i + 1, siblings: siblings.length, expandable, expanded });
      if (expanded) walk(node.node_id, level + 1);
    });
  };
  walk(null, 1);
  return rows;
}

export type TreeMove = { focus: number } | { expand: number } | { collapse: number } | null;

/** What a key does on the row at `index`, after the ARIA treegrid pattern. */
export function treeKey(key: string, rows: readonly TreeRow[], index: number): TreeMove {
  const row = rows[index];
  if (!row) return null;
  const to = (i: number): TreeMove => {
    const target = rows[Math.max(0, Math.min(rows.length - 1, i))];
    return target ? { focus: target.node.node_id } : null;
  };
  switch (key) {
    case 'ArrowDown': return to(index + 1);
    case 'ArrowUp': return to(index - 1);
    case 'Home': return to(0);
    case 'End': return to(rows.length - 1);
    case 'PageDown': return to(index + 10);
    case 'PageUp': return to(index - 10);
    case 'ArrowRight':
      if (!row.expandable) return null;
      return row.expanded ? to(index + 1) : { expand: row.node.node_id };
    case 'ArrowLeft': {
      if (row.expanded) return { collapse: row.node.node_id };
      const parent = rows.slice(0, index).findLastIndex((r) => r.level === row.level - 1);
      return parent < 0 ? null : to(parent);
    }
    default: return null;
  }
}
