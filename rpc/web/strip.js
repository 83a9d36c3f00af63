// The chain as a strip of cards, newest first, with the next block before it
// and side branches in lanes below. Where blocks become final, a line over those that
// are ends in front of the newest of them.

import { blockColor } from "./color.js";
import { h, keyed, setText } from "./dom.js";
import { finalHeight, summary } from "./finality.js";

const LANES = 4; // branches drawn beside each other; of more the lowest are left out

// strip gives {node, update(state, sides)}: the last count blocks, and of the
// side headers those beside them.
export function strip({ t, fmt }, { count }) {
  const list = h("ol", { class: "strip", tabindex: "0", "aria-label": t("chain.strip") });
  const words = h("p", { class: "finality-words" });
  let first = true;

  function update(state, sides = []) {
    const blocks = state.blocks.slice(0, count);
    const top = blocks[0]?.height ?? -1, bottom = blocks.at(-1)?.height ?? 0;
    const items = [{ key: "next", height: top + 1, lane: 0 },
      ...blocks.map((b) => ({ key: b.hash, height: b.height, lane: 0, block: b })),
      ...lanes(sides.filter((s) => s.height >= bottom && s.height <= top + 1))];
    const before = first, line = finalHeight(state);
    list.classList.toggle("voted", line !== null);
    words.hidden = line === null;
    setText(words, summary(state));
    keyed(list, items, (item) => ({
      key: item.key,
      version: item.block ? `${item.lane}` : `${state.info?.payable} ${state.poolWaiting}`,
      make: () => (item.block ? blockCard(state, item) : nextCard(state)),
    }), (made, item) => { if (!before && item.block) made.classList.add("came"); });
    first = blocks.length === 0;
    [...list.children].forEach((li, i) => {
      const item = items[i];
      li.style.gridColumn = String(top + 2 - item.height);
      li.style.gridRow = String(item.lane + 1);
      if (!item.block) return;
      if (line !== null && !item.lane) mark(li, item.height <= line, item.height === Math.min(line, top));
      setText(li.querySelector(".age"), fmt.ago(state.now() - item.block.time / 1000));
      setText(li.querySelector(".builder"), state.names.get(item.block.builder) || fmt.short(item.block.builder));
    });
  }

  // mark says whether a block is final. The line is drawn on the cards, and ends at the edge.
  function mark(li, final, edge) {
    li.classList.toggle("final", final);
    li.classList.toggle("edge", edge);
    const word = li.querySelector(".finality");
    setText(word, t(final ? "final.word" : "final.notWord"));
    word.className = `finality ${final ? "good" : "warn"}`;
  }

  function blockCard(state, { block, lane, from }) {
    const a = h("a", { href: `#/block/${block.hash}`, class: "block", title: block.hash },
      h("strong", {}, `#${fmt.number(block.height)}`),
      h("span", { class: "code" }, fmt.short(block.hash)),
      lane ? null : h("span", {}, t(block.count === 1 ? "chain.tx" : "chain.txs", { n: fmt.number(block.count) })),
      h("span", { class: "builder" }), h("span", { class: "age faint" }), lane ? null : h("span", { class: "finality" }));
    const li = h("li", { class: lane ? "side" : block.height === 0 ? "first" : "", "data-hash": block.hash }, a,
      lane ? h("span", { class: "unseen" }, t("chain.side")) : null);
    li.style.setProperty("--tip", blockColor(block.hash, block.height));
    if (from) li.style.setProperty("--up", String(lane - from.lane));
    li.classList.toggle("forks", Boolean(from) && from.lane !== lane);
    return li;
  }

  function nextCard(state) {
    const n = state.info?.payable ?? 0;
    return h("li", { class: "next" }, h("a", { href: "#/pool", class: "block" },
      h("strong", {}, t("chain.next")),
      h("span", {}, t(n === 1 ? "chain.tx" : "chain.txs", { n: fmt.number(n) })),
      h("span", { class: "faint" }, state.poolWaiting ? t("chain.nextWaiting", { n: fmt.number(state.poolWaiting) }) : t("chain.nextPool"))));
  }

  return { node: h("div", {}, words, list), update };
}

// lanes gives each side header a lane: its parent's, when that is a side header
// whose lane is free, else the first lane that is free there.
function lanes(sides) {
  const placed = new Map(), taken = new Set(), out = [];
  for (const block of [...sides].sort((a, b) => a.height - b.height)) {
    const parent = placed.get(block.prev_hash);
    let lane = parent?.lane ?? 1;
    while (taken.has(`${lane} ${block.height}`)) lane++;
    if (lane > LANES) continue;
    taken.add(`${lane} ${block.height}`);
    const item = { key: block.hash, height: block.height, lane, block, from: parent ?? { lane: 0 } };
    placed.set(block.hash, item);
    out.push(item);
  }
  return out;
}
