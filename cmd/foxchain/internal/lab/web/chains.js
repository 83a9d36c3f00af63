// The chains: all blocks by height, where branches fork, and under them the chain of each
// node. A branch has a colour, and a shape from the second one on; each block shows the
// first digits of its hash after the zeros, so that none must tell colours.

import { blockColor } from "./node/color.js";
import { h, keyed, setText } from "./node/dom.js";
import { t } from "./node/i18n.js";

const HEIGHTS = 30; // shown
const COLORS = [1, 0, 2, 3, 4, 12, 18, 13]; // of branches, far apart: see node/color.js
const branches = new Map(); // block: {branch, next}, of those that the state has

// mark returns the digits by which a block is told: the first ones after the zeros that
// every hash begins with.
export const mark = (hash) => (hash ? hash.replace(/^0+/, "").slice(0, 3) : "");

// branchColor returns the colour of the branch that a block is on.
export function branchColor(hash) {
  const number = COLORS[(branches.get(hash)?.branch ?? 0) % COLORS.length];
  return blockColor(`branch ${number}`, number);
}

// settle puts blocks on branches, and leaves those where they are that have one: the first
// child that was seen goes on with its parent's branch, and another child begins one.
export function settle(blocks) {
  const there = new Set(blocks.map((b) => b.hash));
  for (const hash of branches.keys()) if (!there.has(hash)) branches.delete(hash);
  for (const b of [...blocks].sort((x, y) => x.height - y.height || y.on.length - x.on.length)) {
    if (branches.has(b.hash)) continue;
    const parent = branches.get(b.prev), goesOn = parent && !parent.next;
    if (parent && goesOn) parent.next = b.hash;
    branches.set(b.hash, { branch: goesOn ? parent.branch : free(), next: "" });
  }
}

function free() {
  const used = new Set([...branches.values()].map((b) => b.branch));
  for (let n = 0; ; n++) if (!used.has(n)) return n;
}

// lanesOf gives each branch a lane that is free over all its heights.
function lanesOf(blocks) {
  const spans = new Map(); // branch: [first, last height]
  for (const b of blocks) {
    const { branch } = branches.get(b.hash), span = spans.get(branch) ?? [b.height, b.height];
    spans.set(branch, [Math.min(span[0], b.height), Math.max(span[1], b.height)]);
  }
  const ends = [], lanes = new Map(); // the last height of each lane
  for (const [branch, [first, last]] of [...spans].sort((x, y) => x[1][0] - y[1][0] || x[0] - y[0])) {
    let lane = ends.findIndex((end) => end + 1 < first);
    if (lane < 0) lane = ends.length;
    ends[lane] = last;
    lanes.set(branch, lane);
  }
  return lanes;
}

// ranges writes nodes short: A B C D and F become "A–D F".
export function ranges(ids) {
  const runs = [];
  for (const id of ids) {
    const run = runs.at(-1);
    if (run && run.at(-1).charCodeAt(0) + 1 === id.charCodeAt(0)) run.push(id);
    else runs.push([id]);
  }
  return runs.map((r) => (r.length > 2 ? `${r[0]}–\u2060${r.at(-1)}` : r.join(" "))).join(" ");
}

export function mount(el) {
  const heights = h("div", { class: "track heights", "aria-hidden": "true" }), tree = h("div", { class: "track tree" }), rows = h("div", {});
  const head = (text) => h("span", { class: "who" }, text);
  const none = h("p", { class: "empty" }, t("strip.none"));
  let shown = 0; // columns
  el.replaceChildren(none, h("div", { class: "strip-row" }, head(""), heights), h("div", { class: "strip-row" }, head(t("strip.all")), tree), rows);

  function update(state) {
    const top = Math.max(0, ...state.blocks.map((b) => b.height)), bottom = Math.max(0, top - HEIGHTS + 1);
    const blocks = state.blocks.filter((b) => b.height >= bottom);
    none.hidden = blocks.length > 0;
    const columns = top - bottom + 1, grows = columns !== shown && el.scrollLeft + el.clientWidth >= el.scrollWidth - 30;
    shown = columns;
    const frame = (track) => {
      setVar(track, "--bottom", bottom);
      setVar(track, "--columns", columns);
    };
    [heights, tree].forEach(frame);
    keyed(heights, blocks.length ? Array.from({ length: columns }, (_, i) => bottom + i) : [], (height) => ({ key: height, version: 0, make: () => at(h("span", {}, `${height}`), height) }));
    drawTree(tree, blocks);
    const on = new Map(state.nodes.map((n) => [n.id, []]));
    for (const b of blocks) for (const id of b.on) on.get(id)?.push(b);
    keyed(rows, state.nodes, (n) => ({ key: n.id, version: 0, make: () => h("div", { class: "strip-row", role: "img" }, head(n.id), h("div", { class: "track", "aria-hidden": "true" })) }));
    state.nodes.forEach((n, i) => {
      frame(rows.children[i].lastElementChild);
      drawRow(rows.children[i], n, on.get(n.id), state.voters);
    });
    if (grows) el.scrollLeft = el.scrollWidth;
  }
  return { update };
}

function setVar(el, name, value) {
  if (el.style.getPropertyValue(name) !== String(value)) el.style.setProperty(name, value);
}

function at(node, height) {
  node.style.setProperty("--h", height);
  return node;
}

function block(b, c, ...children) {
  const node = at(h("span", { class: `cell ${c}`, "data-hash": b.hash, "data-branch": branches.get(b.hash).branch % 4, title: t("strip.block", { height: b.height, hash: b.hash, txs: t(b.txs === 1 ? "chain.tx" : "chain.txs", { n: b.txs }), builder: b.builder || "?" }) },
    h("b", { class: "mark" }, mark(b.hash)), ...children), b.height);
  node.style.setProperty("--tip", branchColor(b.hash));
  return node;
}

function drawTree(tree, blocks) {
  const lanes = lanesOf(blocks), lane = (hash) => lanes.get(branches.get(hash)?.branch);
  setVar(tree, "--lanes", Math.max(1, 1 + Math.max(0, ...lanes.values())));
  const shown = new Set(blocks.map((b) => b.hash)); // the lowest have parents that are not shown
  keyed(tree, blocks, (b) => {
    const own = lane(b.hash), up = shown.has(b.prev) ? own - lane(b.prev) : null;
    const nodes = ranges(b.tip_of), c = ["node-block", up === null ? "first" : up > 0 ? "forks" : up < 0 ? "rises" : "", b.on.length ? "" : "left", b.final_on.length ? "final" : ""].join(" ");
    return { key: b.hash, version: [own, up, nodes, c, b.txs].join(), make: () => {
      const node = block(b, c, h("small", {}, t("strip.txs", { n: b.txs })), nodes ? h("span", { class: "tips" }, nodes) : null);
      node.style.setProperty("--lane", own);
      node.style.setProperty("--up", Math.abs(up ?? 0));
      return node;
    } };
  });
}

function drawRow(row, n, blocks, voters) {
  const version = [n.state, n.tip, n.final, blocks[0]?.hash].join();
  if (row.dataset.drawn === version) return;
  row.dataset.drawn = version;
  const words = n.state === "running" ? t(n.height < 0 ? "node.empty" : voters ? "strip.rowFinal" : "strip.row", { height: n.height, tip: mark(n.tip), final: n.final < 0 ? "–" : n.final }) : t(`node.${n.state}`);
  row.setAttribute("aria-label", t("node.label", { id: n.id, words }));
  const track = row.lastElementChild, word = n.state === "running" ? "" : t(`node.${n.state}`);
  if (track.dataset.word !== word) {
    track.dataset.word = word;
    row.classList.toggle("off", word !== "");
  }
  keyed(track, blocks, (b) => {
    const version = branches.get(b.hash).branch;
    return { key: b.hash, version, make: () => block(b, "") };
  });
  blocks.forEach((b, i) => { // the line of final blocks moves with each block
    const cell = track.children[i], c = `cell${b.height <= n.final ? " final" : ""}${b.height === n.final ? " edge" : ""}`;
    if (cell.className !== c) cell.className = c;
  });
}
