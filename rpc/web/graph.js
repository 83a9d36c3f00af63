// The drawing of who is connected to whom: nodes on a circle, this one at the top,
// lines between those that both report the connection now.

import { blockColor } from "./color.js";
import { keyed, svg } from "./dom.js";

const SHOWN = 50;  // nodes drawn
const MANY = 100;  // links from which on those of others are thin
const PLACES = 64; // on the circle: 8, the 8 between them, 16 between these, and 32
const SIZE = 420, RADIUS = 150, MIDDLE = SIZE / 2;

const places = new Map(); // node: its place, as long as it is known, whatever view is shown

export function drawing({ t, fmt }) {
  const lines = svg("g", { class: "links" });
  const dots = svg("g", {});
  const node = svg("svg", { class: "graph", id: "graph", role: "img" }, lines, dots);

  function update(state, all, letters) {
    const shown = settle(all);
    const crowded = shown.some((n) => places.get(n.key) >= 16);
    const at = new Map(shown.map((n) => [n.index, { n, ...point(places.get(n.key)) }]));
    const pairs = state.links.filter(([a, b]) => at.has(a) && at.has(b));
    node.classList.toggle("many", pairs.length > MANY);
    node.classList.toggle("crowded", crowded);
    node.setAttribute("viewBox", crowded ? `-90 -60 ${SIZE + 180} ${SIZE + 120}` : `-90 0 ${SIZE + 180} ${SIZE}`);
    const narrow = matchMedia("(max-width: 50rem)").matches; // letters are larger there
    node.setAttribute("aria-label", t("network.drawn", { nodes: shown.length, links: pairs.length }));
    keyed(lines, pairs, ([a, b]) => {
      const [p, q] = [at.get(a), at.get(b)];
      const apart = `${p.n.self ? "own" : ""} ${p.n.tip && q.n.tip && p.n.tip !== q.n.tip ? "apart" : ""}`;
      return { key: `${p.n.key} ${q.n.key}`, version: `${p.x} ${p.y} ${q.x} ${q.y} ${apart}`, make: () => svg("line", { x1: p.x, y1: p.y, x2: q.x, y2: q.y, class: apart }) };
    });
    keyed(dots, [...at.values()], ({ n, ...where }) => ({
      key: n.key, version: JSON.stringify([where, n.name, n.live, n.tip, letters.get(n.tip), crowded, narrow]),
      make: () => dot(n, where, crowded, letters.get(n.tip), crowded ? 10 : narrow ? 9 : 16),
    }));
  }

  // Where nodes stand close together, names run outwards, so that none lies on another.
  function dot(n, { x, y, angle }, crowded, letter, most) {
    const circle = svg("circle", { cx: x, cy: y, r: crowded ? 7 : 12, class: n.self ? "self" : n.live ? "" : "lost" });
    if (n.live && n.tip) circle.style.fill = blockColor(n.tip, n.blocks - 1);
    const away = crowded ? 14 : 22;
    const outward = crowded && !n.self, across = outward ? 0 : 0.2;
    const left = Math.cos(angle) < -across, right = Math.cos(angle) > across;
    const at = { x: round(x + away * Math.cos(angle)), y: round(y + (away + (outward ? 0 : 5)) * Math.sin(angle) + (outward ? 4 : 5)) }; // the text stands on it
    const turn = round((angle * 180) / Math.PI + (left ? 180 : 0));
    const label = svg("text", {
      ...at, ...(outward ? { transform: `rotate(${turn} ${at.x} ${round(at.y - 4)})` } : {}),
      "text-anchor": left ? "end" : right ? "start" : "middle", class: crowded ? "small" : "",
    }, clip(n.name || n.id.slice(-6), most));
    return svg("g", { "data-node": n.id }, svg("title", {}, `${n.name} ${n.id}\n${n.tip ? t("network.tipIs", { tip: fmt.short(n.tip), blocks: fmt.number(n.blocks) }) : ""}`),
      circle, n.live && letter ? svg("text", { class: crowded ? "letter small" : "letter", x, y }, letter) : null, label);
  }

  return { node, update };
}

// settle returns the nodes to draw, each of which has a place: those that are there, and
// those that were and may come back.
function settle(all) {
  const [self] = all;
  const drawn = all.filter((n) => n.live || n.state === "missing" || n.seen && ["dialing", "connecting"].includes(n.state));
  const known = new Set(all.map((n) => n.key));
  for (const key of places.keys()) if (!known.has(key)) places.delete(key);
  places.set(self.key, 0);
  const order = (a, b) => Number(b === self) - Number(a === self) || Number(places.has(b.key)) - Number(places.has(a.key)) || (a.key < b.key ? -1 : 1);
  const shown = drawn.sort(order).slice(0, SHOWN);
  const shownKeys = new Set(shown.map((n) => n.key));
  for (const { key } of shown) {
    if (places.has(key)) continue;
    const unseen = [...places.keys()].find((k) => !shownKeys.has(k));
    if (places.size === PLACES) places.delete(unseen);
    places.set(key, freePlace(key));
  }
  return shown;
}

// freePlace returns the place that follows from a node's key, or the next free one. The
// places that are far apart come first.
function freePlace(key) {
  const taken = new Set(places.values());
  let hash = 0x811c9dc5; // FNV-1a
  for (const c of key) hash = Math.imul(hash ^ c.codePointAt(0), 0x01000193) >>> 0;
  for (let first = 0; first < PLACES; first = Math.max(8, 2 * first)) {
    const count = Math.max(8, first);
    for (let i = 0; i < count; i++) {
      const place = first + ((hash + i) % count);
      if (!taken.has(place)) return place;
    }
  }
  return PLACES - 1;
}

// point returns where a place is, from the top on.
function point(place) {
  const count = place < 8 ? 8 : 2 ** Math.floor(Math.log2(place));
  const turn = place < 8 ? place / 8 : (place - count + 0.5) / count;
  const angle = 2 * Math.PI * (turn - 0.25);
  return { x: round(MIDDLE + RADIUS * Math.cos(angle)), y: round(MIDDLE + RADIUS * Math.sin(angle)), angle };
}

const round = (n) => Math.round(n * 10) / 10;
const clip = (text, most) => ([...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text);
