// Where the nodes stand, and which links a line through the network crosses. Nothing here
// knows of the page.

export const SIZE = 460, MIDDLE = SIZE / 2, RADIUS = 165;

let turns = [], lan = null; // of each node on the circle of a network, 0 to 1 from the top

// settle gives each node a place that it keeps: the first ones of a network stand evenly,
// and one that is added stands in the middle of the widest gap.
export function settle(nodes, network) {
  if (network !== lan) turns = nodes.map((_, i) => i / nodes.length);
  lan = network;
  while (turns.length < nodes.length) {
    const sorted = [...turns].sort((a, b) => a - b);
    const gaps = sorted.map((turn, i) => ({ turn, gap: (sorted[i + 1] ?? 1) - turn }));
    const widest = gaps.reduce((best, next) => (next.gap > best.gap + 1e-9 ? next : best));
    turns.push(widest.turn + widest.gap / 2);
  }
  return new Map(nodes.map((n, i) => [n.id, point(turns[i])]));
}

function point(turn) {
  const angle = 2 * Math.PI * (turn - 0.25);
  return { x: round(MIDDLE + RADIUS * Math.cos(angle)), y: round(MIDDLE + RADIUS * Math.sin(angle)), angle };
}

const round = (n) => Math.round(n * 10) / 10;

// crosses reports whether two lines, each [point, point], cross.
export function crosses([a, b], [c, d]) {
  const side = (p, q, r) => Math.sign((q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x));
  return side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;
}

// sides returns the IDs of the nodes, those together that some links join.
export function sides(nodes, links) {
  const side = new Map(nodes.map((n) => [n.id, n.id]));
  const find = (id) => (side.get(id) === id ? id : find(side.get(id)));
  for (const l of links) if (side.has(l.a) && side.has(l.b)) side.set(find(l.a), find(l.b));
  const groups = new Map();
  for (const { id } of nodes) groups.set(find(id), [...groups.get(find(id)) ?? [], id]);
  return [...groups.values()];
}

// commands are the lines that cut some links more: one that splits the network, where that
// is just what is cut then, else one for each link.
export function commands(nodes, links, more) {
  if (more.length === 0) return [];
  const cut = new Set([...links.filter((l) => l.cut), ...more]);
  const groups = sides(nodes, links.filter((l) => !cut.has(l)));
  const clean = links.every((l) => cut.has(l) !== groups.some((g) => g.includes(l.a) && g.includes(l.b)));
  if (!clean || more.length === 1) return more.map((l) => `cut ${l.a} ${l.b}`);
  return [`split ${groups.map((ids) => ids.join(" ")).join(" | ")}`];
}
