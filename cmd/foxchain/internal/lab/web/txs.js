// Where each transaction of the lab is: at which node it waits in the pool, and in which
// block of which node's chain it is.

import { branchColor, mark } from "./chains.js";
import { h, keyed } from "./node/dom.js";
import { shortUUID } from "./node/fmt.js";
import { words } from "./lesson.js";
import { t } from "./node/i18n.js";

const SHOWN = 20; // rows, newest first

const nameOf = (account) => (account === "issuer" ? t("menu.issuer") : /^[0-9a-f]{8}-/.test(account) ? shortUUID(account) : account);

export function mount(el) {
  const head = h("tr", {}), body = h("tbody", {}), none = h("p", { class: "empty" }, t("tx.none"));
  const table = h("div", { class: "table", tabindex: "0", role: "group", "aria-labelledby": "txs-title" }, h("table", {}, h("thead", {}, head), body));
  el.replaceChildren(none, table);

  function update(state) {
    const txs = state.txs.slice(-SHOWN).reverse(), ids = state.nodes.map((n) => n.id);
    none.hidden = txs.length > 0;
    table.hidden = txs.length === 0;
    table.classList.toggle("crowd", ids.length > 10);
    const pairs = pairsOf(state.txs);
    keyed(head, ["", ...ids], (id) => ({ key: id, version: id, make: () => h("th", { scope: "col", class: id ? "at" : "" }, id || t("tx.what")) }));
    keyed(body, txs, (tx) => ({ key: tx.id, version: "", make: () => h("tr", { "data-tx": tx.id }) }));
    const running = new Set(state.nodes.filter((n) => n.state === "running").map((n) => n.id));
    txs.forEach((tx, i) => keyed(body.children[i], ["", ...ids], (id) => {
      if (!id) return { key: "", version: `${pairs.get(tx.id)} ${tx.waits?.en}`, make: () => title(tx, pairs.get(tx.id)) };
      const block = tx.block[id], where = !running.has(id) ? "off" : block ? "block" : tx.pool.includes(id) ? "pool" : "absent";
      return { key: id, version: `${where} ${block}`, make: () => place(where, block, id) };
    }));
  }
  return { update };
}

// pairsOf numbers the pairs of which only one can stand.
function pairsOf(txs) {
  const pairs = new Map();
  for (const tx of txs) if (tx.clash) pairs.set(tx.id, pairs.get(tx.clash) ?? 1 + new Set(pairs.values()).size);
  return pairs;
}

function title(tx, pair) {
  return h("th", { scope: "row", title: tx.id }, h("span", { class: "code" }, tx.id.slice(0, 4)), " ",
    t("tx.says", { amount: tx.amount, from: nameOf(tx.from), to: nameOf(tx.to) }), pair ? h("span", { class: "badge warn" }, t("tx.pair", { pair })) : null,
    tx.waits ? h("small", { class: "why" }, t("tx.poor", { why: words(tx.waits) })) : null);
}

function place(where, block, id) {
  const cell = h("td", { class: `at ${where}`, title: t(`tx.${where}`, { id, block: mark(block) }) });
  if (where === "block") {
    const inside = h("span", { class: "cell" }, mark(block));
    inside.style.setProperty("--tip", branchColor(block));
    cell.append(inside);
  } else if (where === "pool") {
    cell.append(h("span", { class: "waits" }, t("tx.waits")));
  } else {
    cell.append(h("span", { class: "faint", "aria-label": t(`tx.${where}`, { id }), role: "img" }, where === "off" ? "×" : "·"));
  }
  return cell;
}
