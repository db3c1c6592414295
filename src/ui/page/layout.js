// Where nodes stand: columns from left to right, in an order with few crossings. A line that passes a column has a place of its own in
// it, so that it does not run behind a node.

export const WIDTH = 170;
export const HEIGHT = 40;
const PITCH = 54;
const LANE = 16;
const LEAST_GAP = 70;
const MOST_GAP = 150;
const TOP = 34;
const LEFT = 8;
const RIGHT = 64;
const ROUNDS = 8;

function byName(a, b) {
  return a.namespace.localeCompare(b.namespace) || a.name.localeCompare(b.name) || a.kind.localeCompare(b.kind);
}

// Items of each column: nodes, and the lanes of lines that pass.
function fillColumns(nodes, edges, used) {
  const columnOf = new Map(nodes.map((node) => [node.id, used.indexOf(node.column)]));
  const columns = used.map((column) =>
    nodes.filter((node) => node.column === column).sort(byName).map((node) => ({ id: node.id, size: PITCH, near: [] })));
  const items = new Map(columns.flat().map((item) => [item.id, item]));
  const lanes = new Map();
  for (const edge of edges) {
    const [a, b] = [columnOf.get(edge.from), columnOf.get(edge.to)];
    const passed = [];
    const step = Math.sign(b - a);
    for (let i = a + step; step && i !== b; i += step) {
      const lane = { id: null, size: LANE, near: [] };
      columns[i].push(lane);
      passed.push(lane);
    }
    lanes.set(edge, passed);
    if (a === b) continue;
    const way = [items.get(edge.from), ...passed, items.get(edge.to)];
    for (let i = 1; i < way.length; ++i) {
      way[i - 1].near.push(way[i]);
      way[i].near.push(way[i - 1]);
    }
  }
  return { columns, lanes };
}

function stack(columns) {
  const heights = columns.map((column) => column.reduce((sum, item) => sum + item.size, 0));
  const tallest = Math.max(0, ...heights);
  columns.forEach((column, i) => {
    let y = TOP + (tallest - heights[i]) / 2;
    for (const item of column) {
      item.middle = y + (item.id === null ? LANE / 2 : HEIGHT / 2);
      y += item.size;
    }
  });
  return tallest;
}

// Each item goes to the mean of its neighbours, again and again.
function untangle(columns) {
  stack(columns);
  for (let round = 0; round < ROUNDS; ++round) {
    for (const column of round % 2 ? [...columns].reverse() : columns) {
      for (const item of column) {
        item.wish = item.near.length ? item.near.reduce((sum, other) => sum + other.middle, 0) / item.near.length : item.middle;
      }
      column.sort((a, b) => a.wish - b.wish);
      stack(columns);
    }
  }
}

// nodes: {id, column, namespace, name, kind}; edges: {from, to}. Gives the places of nodes by id, the lanes of edges, and the size of all.
export function layout(nodes, edges, available) {
  const used = [...new Set(nodes.map((node) => node.column))].sort();
  const gaps = Math.max(1, used.length - 1);
  const gap = Math.min(MOST_GAP, Math.max(LEAST_GAP, Math.floor((available - LEFT - RIGHT - used.length * WIDTH) / gaps)));
  const xOf = (i) => LEFT + i * (WIDTH + gap);
  const { columns, lanes } = fillColumns(nodes, edges, used);
  untangle(columns);
  const tallest = stack(columns);
  const places = new Map();
  columns.forEach((column, i) => {
    for (const item of column) {
      item.x = xOf(i);
      if (item.id !== null) places.set(item.id, { x: item.x, y: item.middle - HEIGHT / 2 });
    }
  });
  return {
    places,
    lanes,
    headings: used.map((column, i) => ({ column, x: xOf(i) })),
    width: xOf(used.length - 1) + WIDTH + RIGHT,
    height: TOP + tallest,
  };
}

// The line between two nodes, as Bézier curves one after the other: forwards a little above the middle, backwards a little below, within
// a column around it; `lanes` are what it passes.
export function line(from, to, lanes) {
  if (from.x === to.x) {
    const x = from.x + WIDTH;
    const bulge = 20 + Math.min(36, Math.abs(from.y - to.y) / 6);
    const [a, b] = [from.y + HEIGHT / 2 + 6, to.y + HEIGHT / 2 - 6];
    return { curves: [[x, a, x + bulge, a, x + bulge, b, x, b]], towards: -1 };
  }
  const forward = from.x < to.x;
  const shift = forward ? -5 : 8;
  const stops = [[forward ? from.x + WIDTH : from.x, from.y + HEIGHT / 2 + shift]];
  for (const lane of lanes) {
    const ends = [[lane.x, lane.middle], [lane.x + WIDTH, lane.middle]];
    stops.push(...(forward ? ends : ends.reverse()));
  }
  stops.push([forward ? to.x : to.x + WIDTH, to.y + HEIGHT / 2 + shift]);
  const curves = stops.slice(1).map(([x, y], i) => {
    const [a, b] = stops[i];
    const middle = (a + x) / 2;
    return [a, b, middle, b, middle, y, x, y];
  });
  return { curves, towards: forward ? 1 : -1 };
}

export const pathOf = ({ curves }) => `M${curves[0].slice(0, 2)}${curves.map((curve) => `C${curve.slice(2)}`).join('')}`;
export const endOf = ({ curves }) => curves[curves.length - 1].slice(6);

// Where an edge has its mark: on its first curve, before the middle, as lines to the same node meet behind it.
export function markOf({ curves }) {
  const [x0, y0, x1, y1, x2, y2, x3, y3] = curves[0];
  const t = 0.35;
  const u = 1 - t;
  const at = (a, b, c, d) => u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * d;
  return [at(x0, x1, x2, x3), at(y0, y1, y2, y3)];
}
