// One block: its header, each field explained, and its transactions.

import { h, setText } from "../dom.js";
import { finalHeight, isFinal, standing as finality } from "../finality.js";
import { retell } from "../i18n.js";
import { accountLink, blockLink, builderName, card, code, copyButton, empty, swatch, table, titled, txLink } from "../ui.js";

const PAGE = 50; // transactions shown at a time

export function mount(el, ctx) {
  const { t, fmt, call, param } = ctx;
  const body = h("div", {}, h("h1", {}, t("block.title", { height: param.slice(0, 16) })), empty(t("page.loading")));
  el.append(body);
  let gone = false, shown = null, stood = "", lost = true; // lost: it is to be asked for, since the connection was lost

  async function load() {
    const args = /^\d{1,15}$/.test(param) ? { height: Number(param) } : { hash: param };
    lost = false;
    const reply = await call("block", args).catch((error) => { lost = true; return { error: error.message }; });
    if (gone) return;
    if (!reply.response) {
      body.replaceChildren(body.firstElementChild,
        h("p", { class: "notice" }, t(reply.status === 404 ? "block.unknown" : "page.failed", { error: retell(reply.error) })),
        h("p", {}, h("a", { href: "#/chain" }, t("block.back"))));
      return;
    }
    shown = reply.response;
    draw();
  }

  function draw() {
    const { block } = shown, focused = body.contains(document.activeElement);
    body.replaceChildren(
      h("h1", {}, swatch(block.hash, block.height), t("block.title", { height: fmt.number(block.height) })),
      h("div", { class: "standing" }, h("p", { id: "block-standing" }), h("p", { id: "block-final" })),
      h("nav", { class: "pager", "aria-label": t("block.neighbours") },
        block.height > 0 && block.prev_hash ? h("a", { href: `#/block/${block.prev_hash}` }, t("block.parent")) : null,
        h("a", { href: `#/block/${block.height + 1}`, id: "block-child" }, t("block.child")),
        h("a", { href: `#/break/${block.hash}` }, t("block.break"))),
      card(t("block.header"), header(block)), transactions(block));
    if (focused) body.firstElementChild.focus();
    stood = "";
    update(ctx.state);
  }

  function header(block) {
    const item = (key, ...value) => h("div", { class: "field" }, h("dt", {}, t(`block.${key}`)),
      h("dd", {}, h("div", { class: "value" }, ...value), h("p", { class: "why" }, t(`block.${key}Why`))));
    return h("dl", { class: "fields", id: "block-fields" },
      item("hash", code(block.hash)),
      item("version", String(block.version)),
      item("height", fmt.number(block.height)),
      item("prev", block.prev_hash ? h("span", {}, blockLink(block.prev_hash, block.prev_hash), copyButton(block.prev_hash)) : t("block.first")),
      item("root", code(block.root)),
      item("count", fmt.number(block.items.length)),
      item("time", `${fmt.time(block.time)} (${block.time})`),
      item("bits", String(block.bits)),
      item("builder", h("strong", {}, `${builderName(ctx.state, block.builder)} `), code(block.builder)),
      item("nonce", code(block.nonce)),
      item("signature", code(block.signature)));
  }

  function transactions({ items }) {
    const columns = [
      { title: "#", class: "number" }, { title: t("pool.tx") }, { title: t("pool.from") }, { title: t("pool.to") },
      { title: t("pool.amount"), class: "number" }, { title: t("block.link") },
    ];
    const list = table(columns);
    list.body.id = "block-txs";
    const range = h("span", {});
    const older = h("button", { type: "button", class: "plain" }, t("block.next"));
    const newer = h("button", { type: "button", class: "plain" }, t("block.previous"));
    let from = 0;
    const page = () => {
      list.body.replaceChildren(...items.slice(from, from + PAGE).map((tx, i) => titled(columns, h("tr", {},
        h("td", { class: "number" }, fmt.number(from + i + 1)),
        h("td", {}, txLink(tx.id), copyButton(tx.id)),
        h("td", {}, accountLink(tx.sender)), h("td", {}, accountLink(tx.receiver)),
        h("td", { class: "number" }, fmt.number(tx.amount)),
        h("td", { class: "code faint", title: tx.prev_hash ?? "" }, tx.prev_hash ? fmt.short(tx.prev_hash) : "null")))));
      range.textContent = t("pool.range", { from: fmt.number(from + 1), to: fmt.number(Math.min(items.length, from + PAGE)), all: fmt.number(items.length) });
      newer.disabled = from === 0;
      older.disabled = from + PAGE >= items.length;
    };
    older.addEventListener("click", () => { from += PAGE; page(); });
    newer.addEventListener("click", () => { from -= PAGE; page(); });
    page();
    return card(t("block.txs"), list.node, items.length > PAGE ? h("div", { class: "pager" }, newer, range, older) : null);
  }

  // A block that was on the chain can leave it, and its confirmations rise.
  async function update(state) {
    if (lost) load();
    if (!shown || !state.info) return;
    if (shown.on_chain) setText(body.querySelector("#block-final"), finality(state, shown.block.height)); // who is there changes
    const look = `${state.info.tip} ${finalHeight(state)}`;
    if (stood === look) return;
    const first = stood === "";
    stood = look;
    if (!first) {
      const reply = await call("block", { hash: shown.block.hash }).catch(() => null);
      if (gone) return;
      if (!reply) stood = null; // the connection was lost: asked again
      if (reply?.response) shown = reply.response;
    }
    const standing = body.querySelector("#block-standing");
    standing.textContent = shown.on_chain ? t("block.on", { n: fmt.number(shown.confirmations) }) : t("block.off");
    const words = body.querySelector("#block-final"), final = isFinal(ctx.state, shown.block.height);
    standing.className = shown.on_chain && final !== false ? "good" : "warn";
    words.hidden = !shown.on_chain;
    words.className = final ? "good" : final === false ? "warn" : "faint";
    if (shown.on_chain) setText(words, finality(ctx.state, shown.block.height));
    body.querySelector("#block-child").hidden = !shown.on_chain || shown.confirmations < 2;
  }

  return { update, destroy: () => { gone = true; } };
}
