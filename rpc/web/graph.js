// The drawing of who is connected to whom: nodes on a circle, this one at the
// top, lines between those that are connected. A circle stays readable and
// still while nodes come and go.

import { keyed, svg } from "./dom.js";
import { tipColor } from "./ui.js";

const SHOWN = 50;            // nodes drawn
const SIZE = 420, RADIUS = 150, MIDDLE = SIZE / 2;

export function drawing({ t, fmt }) {
  const lines = svg("g", { class: "links" });
  const dots = svg("g", {});
  const node = svg("svg", { class: "graph", id: "graph", role: "img", viewBox: `-90 0 ${SIZE + 180} ${SIZE}` }, lines, dots);

  function update(state, all) {
    const shown = all.filter((n) => n.live || n.state === "missing").slice(0, SHOWN);
    // By ID, so that a node keeps its neighbours in the drawing.
    const [self, ...others] = shown;
    others.sort((a, b) => (a.key < b.key ? -1 : 1));
    const at = new Map([self, ...others].map((n, i) => [n.place, { n, ...point(i, shown.length) }]));
    const pairs = state.links.filter(([a, b]) => at.has(a) && at.has(b));
    node.setAttribute("aria-label", t("network.drawn", { nodes: shown.length, links: pairs.length }));
    keyed(lines, pairs, ([a, b]) => {
      const [p, q] = [at.get(a), at.get(b)];
      const place = `${p.x} ${p.y} ${q.x} ${q.y}`;
      const apart = p.n.tip !== q.n.tip ? "apart" : "";
      return { key: `${p.n.key} ${q.n.key}`, version: place + apart, make: () => svg("line", { x1: p.x, y1: p.y, x2: q.x, y2: q.y, class: apart }) };
    });
    keyed(dots, [...at.values()], ({ n, x, y, angle }) => ({
      key: n.key, version: JSON.stringify([x, y, n.name, n.tip, n.connected, n.self, shown.length > 16]),
      make: () => dot(n, x, y, angle, shown.length > 16),
    }));
  }

  function dot(n, x, y, angle, crowded) {
    const circle = svg("circle", { cx: x, cy: y, r: crowded ? 7 : 12, class: n.self ? "self" : "" });
    circle.style.fill = n.tip ? tipColor(n.tip) : "var(--line)";
    const away = crowded ? 14 : 22;
    const left = Math.cos(angle) < -0.2, right = Math.cos(angle) > 0.2;
    const label = svg("text", {
      x: round(x + away * Math.cos(angle)), y: round(y + (away + 5) * Math.sin(angle) + 5), // the text stands on it
      "text-anchor": left ? "end" : right ? "start" : "middle", class: crowded ? "small" : "",
    }, clip(n.name || n.id.slice(-6), crowded ? 10 : 16));
    return svg("g", { "data-node": n.id }, svg("title", {}, `${n.name} ${n.id}\n${n.tip ? t("network.tipIs", { tip: fmt.short(n.tip), blocks: fmt.number(n.blocks) }) : ""}`), circle, label);
  }

  return { node, update, destroy() {} };
}

// The corners of a regular polygon, from the top on.
function point(i, count) {
  const angle = -Math.PI / 2 + (2 * Math.PI * i) / count;
  return { x: round(MIDDLE + RADIUS * Math.cos(angle)), y: round(MIDDLE + RADIUS * Math.sin(angle)), angle };
}

const round = (n) => Math.round(n * 10) / 10;
const clip = (text, most) => ([...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text);
