// The drawing: nodes on a circle, and the link between any two. A click on a link cuts or
// heals it, a line that is drawn cuts what it crosses, and a node has a menu. Keys do the
// same: a node's letter keys and arrows lead to its links.

import { branchColor, mark } from "./chains.js";
import { commands, crosses, settle, SIZE } from "./layout.js";
import { byID, h, keyed, setText, svg } from "./node/dom.js";
import { t } from "./node/i18n.js";

const MARGIN = 150, NARROW = 50; // beside the circle, for what is said of a node
const MOST_DOTS = 60; // that travel at one time
const still = matchMedia("(prefers-reduced-motion: reduce)"), phone = matchMedia("(max-width: 40rem)");
let had = null; // transaction: the nodes that had it when the state was last drawn

export const keyOf = (l) => `${l.a}-${l.b}`;

// stateOf returns what a link is, in the order in which the drawing tells it.
export function stateOf(l, nodes) {
  const dead = [l.a, l.b].some((id) => nodes.find((n) => n.id === id)?.state !== "running");
  if (l.cut) return "cut";
  if (dead) return "down";
  return l.up ? "up" : "apart";
}

const delayed = (l) => !["", "0s", "0"].includes(l.delay ?? "");

// wordsOf says what a link is.
export function wordsOf(l, nodes) {
  const words = [t(`linkIs.${stateOf(l, nodes)}`)];
  if (l.cut && l.up) words.push(t("link.unnoticed"));
  if (delayed(l)) words.push(t("link.slow", { delay: l.delay }));
  if (l.loss) words.push(t("link.lossy", { loss: l.loss }));
  return words.join(t("lab.comma"));
}

export function mount(ctx) {
  const groups = { links: svg("g", {}), nodes: svg("g", {}), labels: svg("g", { "aria-hidden": "true" }), dots: svg("g", { "aria-hidden": "true" }) };
  const knife = svg("line", { class: "knife", visibility: "hidden" });
  const picture = svg("svg", { class: "lab-graph", role: "group", "aria-label": t("net.drawn") },
    groups.links, groups.nodes, groups.labels, knife, groups.dots);
  byID("drawing").replaceChildren(picture);
  fillFrame(ctx);
  let state = null, at = new Map(); // node: its point

  const linkOf = (key) => state.links.find((l) => keyOf(l) === key);
  const toggle = (l) => ctx.do(`${l.cut ? "heal" : "cut"} ${l.a} ${l.b}`);
  cutByLine(picture, knife, (line) => {
    const more = state.links.filter((l) => !l.cut && crosses(line, [at.get(l.a), at.get(l.b)]));
    return commands(state.nodes, state.links, more);
  }, ctx);
  picture.addEventListener("click", (event) => {
    const { link, node } = named(event.target);
    if (picture.drew && event.detail > 0) return; // the mouse's click at the end of a line; one without a pointer has no detail
    if (link) toggle(linkOf(link));
    if (node) ctx.menu.node(node, event.target.closest("g"));
  });
  picture.addEventListener("contextmenu", (event) => {
    const { link } = named(event.target);
    if (!link) return;
    event.preventDefault();
    ctx.menu.link(linkOf(link), event.target.closest("g"));
  });
  picture.addEventListener("keydown", (event) => keys(event, { state, picture, linkOf, toggle, menu: ctx.menu }));

  function update(now) {
    state = now;
    at = settle(state.nodes, state.lan);
    const crowd = state.nodes.length > 10, states = new Map(state.nodes.map((n) => [n.id, n.state]));
    const margin = phone.matches ? NARROW : MARGIN, top = phone.matches ? 14 : 0, view = `${-margin} ${-top} ${SIZE + 2 * margin} ${SIZE + top}`;
    if (picture.getAttribute("viewBox") !== view) picture.setAttribute("viewBox", view);
    picture.classList.toggle("crowd", crowd);
    const focused = document.activeElement?.dataset.link && document.activeElement.dataset;
    keyed(groups.links, state.links.filter((l) => at.has(l.a) && at.has(l.b)), (l) => {
      const [p, q] = [at.get(l.a), at.get(l.b)];
      const version = JSON.stringify([p.x, p.y, q.x, q.y, phone.matches, l.cut, l.up, l.delay, l.loss, states.get(l.a), states.get(l.b)]);
      return { key: keyOf(l), version, make: () => drawLink(l, p, q, state.nodes) };
    });
    if (focused && !document.activeElement?.dataset.link) { // it was drawn anew
      const again = picture.querySelector(`[data-link="${focused.link}"]`);
      if (focused.from) again.dataset.from = focused.from;
      again?.focus();
    }
    keyed(groups.nodes, state.nodes, (n) => ({ key: n.id, version: JSON.stringify([at.get(n.id), crowd]), make: () => drawNode(n, at.get(n.id), crowd ? 15 : 22) }));
    keyed(groups.labels, state.nodes, (n) => {
      const words = say(n, crowd);
      return { key: n.id, version: JSON.stringify([at.get(n.id), crowd, phone.matches, words]), make: () => drawLabel(words, at.get(n.id), crowd) };
    });
    state.nodes.forEach((n, i) => dress(groups.nodes.children[i], n));
    travel(state, at, groups);
  }
  return { update };
}

// fillFrame puts the legend under the drawing, and what can be done to the network.
function fillFrame(ctx) {
  const sample = (kind) => svg("svg", { viewBox: "0 0 44 12", width: 44, height: 12, class: "lab-graph sample", "aria-hidden": "true" }, ...linkShape({ x: 2, y: 6 }, { x: 42, y: 6 }, kind, kind === "slow", kind === "lossy"));
  byID("legend").replaceChildren(...["up", "slow", "lossy", "cut", "apart"].map((kind) => h("li", {}, sample(kind), " ", t(`legend.${kind}`))));
  const tool = (key, onclick) => h("button", { type: "button", class: "plain", onclick, "data-tool": key }, t(`tool.${key}`));
  byID("tools").replaceChildren(
    tool("split", (event) => ctx.menu.split(event.currentTarget)), tool("heal", () => ctx.do("heal")), tool("add", () => ctx.do("add")),
    tool("fault", (event) => ctx.menu.link(null, event.currentTarget)), tool("send", (event) => ctx.menu.send(null, event.currentTarget)),
    tool("conflict", (event) => ctx.menu.conflict(event.currentTarget)),
    h("details", {}, h("summary", {}, t("tool.keys")), h("p", { class: "why" }, t("net.keys"))));
}

function named(target) {
  const g = target.closest("g[data-link], g[data-node]");
  return { link: g?.dataset.link, node: g?.dataset.node };
}

// linkShape returns what a link looks like. Each state has a shape of its own.
function linkShape(p, q, kind, slow, lossy) {
  const line = (c, from, to) => svg("line", { x1: from.x, y1: from.y, x2: to.x, y2: to.y, class: c });
  const on = (part) => ({ x: p.x + part * (q.x - p.x), y: p.y + part * (q.y - p.y) });
  const length = Math.hypot(q.x - p.x, q.y - p.y), middle = on(0.42); // not where the diagonals meet
  if (kind === "cut") {
    const gap = Math.min(0.3, 12 / length), r = 5;
    return [line("cut", p, on(0.42 - gap)), line("cut", on(0.42 + gap), q),
      svg("path", { class: "cross", d: `M${middle.x - r} ${middle.y - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}` })];
  }
  const base = line([kind === "slow" || kind === "lossy" ? "up" : kind, lossy ? "lossy" : ""].join(" "), p, q);
  if (!slow) return [base];
  const nx = (q.y - p.y) / length, ny = (p.x - q.x) / length; // bars across: it takes long
  const bars = [-1, 0, 1].map((i) => {
    const c = { x: middle.x + (i * 6 * (q.x - p.x)) / length, y: middle.y + (i * 6 * (q.y - p.y)) / length };
    return line("bar", { x: c.x - 5 * nx, y: c.y - 5 * ny }, { x: c.x + 5 * nx, y: c.y + 5 * ny });
  });
  return [base, ...bars];
}

function drawLink(l, p, q, nodes) {
  const words = t("link.name", { a: l.a, b: l.b, words: wordsOf(l, nodes) }), faults = [delayed(l) ? l.delay : "", l.loss ? `${l.loss}%` : ""].filter(Boolean);
  const part = phone.matches ? 0.52 : 0.3, long = Math.hypot(q.x - p.x, q.y - p.y) > 100; // beside what stands by a node
  const [x, y] = [p.x + (q.x - p.x) * part, p.y + (q.y - p.y) * part];
  return svg("g", { "data-link": keyOf(l), class: stateOf(l, nodes), role: "button", tabindex: "-1", "aria-label": words, "aria-keyshortcuts": "s" },
    svg("title", {}, words), svg("line", { class: "hit", x1: p.x, y1: p.y, x2: q.x, y2: q.y }),
    ...linkShape(p, q, stateOf(l, nodes), delayed(l), l.loss > 0),
    faults.length && long ? svg("text", { class: "fault", x, y }, faults.join(" ")) : null);
}

// drawNode makes what never changes of a node; dress tells what does.
function drawNode(n, { x, y }, r) {
  return svg("g", { "data-node": n.id, role: "button", tabindex: "0", "aria-haspopup": "dialog" },
    svg("title", {}), svg("circle", { class: "halo", cx: x, cy: y, r: r + 5 }), svg("circle", { class: "body", cx: x, cy: y, r }),
    svg("path", { class: "off", d: `M${x - r * 0.7} ${y - r * 0.7}l${r * 1.4} ${r * 1.4}m0 ${-r * 1.4}l${-r * 1.4} ${r * 1.4}` }),
    svg("text", { class: "letter", x, y }, n.id));
}

// drawLabel puts two lines beside a node, on the side away from the others.
function drawLabel([first, second], { x, y, angle }, crowd) {
  const away = (crowd ? 15 : 22) + 9, line = phone.matches ? 21 : crowd ? 11 : 16;
  const side = phone.matches ? 0 : Math.cos(angle), above = Math.abs(side) <= 0.2 && Math.sin(angle) < -0.5;
  const anchor = side < -0.2 ? "end" : side > 0.2 ? "start" : "middle";
  const [tx, ty] = anchor === "middle" ? [x, y + (above ? -away : away + 11)] : [x + away * Math.cos(angle), y + away * Math.sin(angle) + 5];
  return svg("g", {}, svg("text", { class: "line1", x: tx, y: ty, "text-anchor": anchor }, first),
    svg("text", { class: "line2", x: tx, y: ty + (first ? (above ? -line : line) : 0), "text-anchor": anchor }, second));
}

// say returns the two lines beside a node.
function say(n, crowd) {
  const flags = flagsOf(n), short = crowd || phone.matches;
  const height = n.height < 0 ? (short ? "–" : t("node.none")) : `${short ? "" : "#"}${n.height} ${short && crowd ? "" : mark(n.tip)}`.trim();
  const pool = !n.pool ? "" : crowd ? `(${n.pool})` : t("node.pool", { n: n.pool });
  return [n.state === "running" ? [height, pool].filter(Boolean).join(crowd ? " " : " · ") : "", short ? flags[0] ?? "" : flags.join(" · ")];
}

// flagsOf says what is not usual with a node.
export function flagsOf(n) {
  return [n.state !== "running" ? t(`node.${n.state}`) : "", n.syncing ? t("node.syncing") : "", n.clock ? t("node.clock", { off: n.clock }) : "",
    n.building ? "" : t("node.silent"), n.lie ? t(`node.lie.${n.lie}`) : ""].filter(Boolean);
}

function dress(g, n) {
  const height = n.height < 0 ? t("node.empty") : t("node.height", { height: n.height });
  const set = (name, value) => { if (g.getAttribute(name) !== value) g.setAttribute(name, value); };
  set("class", [n.state, n.lie ? "liar" : "", n.clock ? "wrong" : ""].join(" ").trim());
  set("aria-label", t("node.label", { id: n.id, words: [height, mark(n.tip), t("node.pool", { n: n.pool }), ...flagsOf(n)].filter(Boolean).join(t("lab.comma")) }));
  setText(g.querySelector("title"), g.getAttribute("aria-label"));
  const color = n.state === "running" && n.tip ? branchColor(n.tip) : "", body = g.querySelector(".body");
  if (body.dataset.color !== color) { body.dataset.color = color; body.style.fill = color; }
}

// cutByLine lets a line be drawn with the mouse, a pen or a finger. plan returns the
// commands of a line.
function cutByLine(picture, knife, plan, ctx) {
  let from = null, line = null; // a click that follows a line is of the line: see mount
  const here = (event) => {
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
    return { x: p.x, y: p.y };
  };
  const end = () => { from = line = null; knife.setAttribute("visibility", "hidden"); };
  picture.addEventListener("pointerdown", (event) => {
    end(); // by a second finger, as well
    picture.drew = false;
    if (event.isPrimary && event.button === 0 && !event.target.closest("g[data-node]")) from = here(event);
  });
  picture.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = here(event);
    if (!line && Math.hypot(to.x - from.x, to.y - from.y) < 8) return; // a click whose hand shakes
    picture.setPointerCapture(event.pointerId);
    line = [from, to];
    for (const [name, value] of Object.entries({ x1: from.x, y1: from.y, x2: to.x, y2: to.y, visibility: "visible" })) knife.setAttribute(name, value);
  });
  picture.addEventListener("pointerup", async () => {
    const drawn = line;
    end();
    picture.drew = Boolean(drawn);
    if (drawn) for (const command of plan(drawn)) await ctx.do(command);
  });
  picture.addEventListener("pointercancel", end);
}

// keys: on a node its menu, another node's letter cuts or heals, arrows go to its links;
// on a link Enter cuts or heals, and s makes it slow or lossy.
function keys(event, { state, picture, linkOf, toggle, menu }) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { link, node } = named(event.target), g = event.target.closest("g");
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], enter = event.key === "Enter" || event.key === " ";
  const focus = (selector) => picture.querySelector(selector)?.focus();
  const done = () => event.preventDefault();
  if (node && enter) { done(); menu.node(node, g); return; }
  if (node && /^[a-z]$/i.test(event.key)) {
    const l = state.links.find((x) => [x.a, x.b].includes(node) && [x.a, x.b].includes(event.key.toUpperCase()));
    if (l && event.key.toUpperCase() !== node) { done(); toggle(l); }
    return;
  }
  const of = node ?? g?.dataset.from;
  if (step && of) {
    done();
    const own = state.links.filter((l) => l.a === of || l.b === of).map(keyOf);
    const next = own[(own.indexOf(link) + (link || step > 0 ? step : 0) + own.length) % own.length];
    const target = picture.querySelector(`[data-link="${next}"]`);
    if (target) { target.dataset.from = of; target.focus(); }
    return;
  }
  if (!link) return;
  if (enter) { done(); toggle(linkOf(link)); }
  if (event.key === "s") { done(); menu.link(linkOf(link), g); }
  if (event.key === "Escape") focus(`[data-node="${g.dataset.from ?? linkOf(link).a}"]`);
}

// travel shows that a node has a transaction that it did not have in the state before: a
// dot comes from the node that showed it to this one, or else the node's ring lights.
// Nothing is shown of what the states do not say.
function travel(state, at, groups) {
  const before = had, holders = (tx) => new Set([...tx.pool, ...Object.keys(tx.block)]);
  had = new Map(state.txs.map((tx) => [tx.id, holders(tx)]));
  if (!before || still.matches || document.hidden) return;
  for (const tx of state.txs) {
    for (const node of had.get(tx.id)) {
      if (before.get(tx.id)?.has(node) || !at.has(node)) continue;
      move(groups.dots, at.get(tx.via[node] ?? node), at.get(node), tx.via[node]);
    }
  }
}

function move(dots, from, to, comes) {
  if (dots.childElementCount >= MOST_DOTS) return;
  const dot = svg("circle", { class: comes ? "dot" : "ring", cx: to.x, cy: to.y, r: comes ? 6 : 24 });
  dots.append(dot);
  const frames = comes ? [{ transform: `translate(${from.x - to.x}px, ${from.y - to.y}px)` }, { transform: "none" }] : [{ opacity: 1 }, { opacity: 0 }];
  dot.animate(frames, { duration: 500, easing: "ease-in-out" }).finished.finally(() => dot.remove());
}
