// "Break it and see": a copy of a block, in this page only, of which any field
// may be edited. All that a node would check of it is computed here again, so
// one sees what no longer holds, and what it would take to mend it. Nothing of
// it is sent to the node.
//
//   break.js         which block; the copy, and what is done to it
//   break-fields.js  the fields to edit
//   break-checks.js  what holds and what does not
//   lib/check.js, lib/seal.js  the computing

import { h } from "../dom.js";
import { retell } from "../i18n.js";
import { Checker } from "../lib/check.js";
import { newKey, rehash, relink, sample, search, signBlock } from "../lib/seal.js";
import { card, empty } from "../ui.js";
import { Checks } from "./break-checks.js";
import { Fields } from "./break-fields.js";

const MOST_BITS = 24; // of a search here: 16 million tries are half a minute

// mount shows the block whose hash is ctx.param, the newest one without.
export function mount(el, ctx) {
  const { t } = ctx;
  const stop = new AbortController();
  const place = h("div", {}, empty(t("page.loading")));
  el.append(h("h1", { class: "unseen" }, t("page.break")),
    card(t("break.title"), h("p", {}, t("break.intro")), h("p", { class: "safe" }, t("break.safe"))), place);
  let lost = true; // it is to be asked for, since the connection was lost
  async function ask() {
    lost = false;
    const given = await load(ctx, stop.signal).catch((error) => { lost = true; return { refusal: error.message }; });
    if (!given || stop.signal.aborted) return;
    place.replaceChildren(given.refusal ? empty(t("break.failed", { error: retell(given.refusal) })) : bench(given, ctx, stop.signal));
  }
  return { update() { if (lost) ask(); }, destroy() { stop.abort(); } };
}

// load gives {block, network, around, confirmations, own}: the block, what its
// neighbours say, and whether it was made up here; or {refusal}, the node's words.
async function load({ call, param }, signal) {
  const reply = param === "sample" ? { status: 404 } : await call("block", param ? { hash: param } : { height: -1 });
  if (reply.status !== 200) {
    if (reply.status !== 404 || param && param !== "sample") return { refusal: reply.error };
    const made = await sample(signal);
    return made && { ...made, around: { below: made.network.id }, confirmations: 0, own: true };
  }
  const { block, on_chain: onChain, confirmations } = reply.response;
  const network = (await call("info")).response.network;
  const above = confirmations > 1 ? await call("block", { height: block.height + 1 }) : null;
  const around = { below: block.prev_hash ?? network.id, above: above?.response?.block.prev_hash };
  return { block, network, around, confirmations, own: false, onChain };
}

// bench is the place where a block is taken apart.
function bench(given, ctx, signal) {
  const { t, fmt } = ctx;
  const { network } = given;
  const checker = new Checker(network, given.around);
  let draft = given.block;
  let key = null;          // one's own, made when first needed
  let searching = false, drawing = false;

  const said = h("p", { class: "said", role: "status" });
  const checks = new Checks(given, ctx, (path) => { draft = fields.undo(path); changed(); });
  const fields = new Fields(given.block, ctx, (block) => { draft = block; say(""); changed(); });
  const button = (name, action) => h("button", { type: "button", class: "plain", "data-do": name, onclick: action }, t(`break.${name}`));
  const buttons = [
    button("undoAll", () => { say(""); set(given.block); }),
    button("mend", () => tryTo(() => { set(rehash(relink(draft), network)); say(t("break.mended")); })),
    button("work", () => tryTo(async () => { await work(draft); })),
    button("sign", () => tryTo(sign)),
  ];

  function say(text) { said.textContent = text; }

  function set(block) {
    draft = block;
    fields.set(block);
    changed();
  }

  // Typing may be fast, and a block large: a frame draws what came of it.
  function changed() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      const result = checker.check(draft);
      fields.show(result);
      checks.show(draft, result, fields.changes());
    });
  }

  // A field that holds no value of its kind leaves nothing to compute with.
  async function tryTo(action) {
    if (searching) return;
    try {
      await action();
    } catch (error) {
      if (!error.rule) throw error;
      say(t("break.notAValue"));
    }
  }

  async function work(block) {
    if (network.bits > MOST_BITS) {
      say(t("break.tooMuch", { bits: network.bits }));
      return null;
    }
    searching = true;
    try {
      const begin = performance.now();
      let tries = 0;
      const found = await search(block, network, (n) => { tries = n; say(t("break.searching", { tries: fmt.number(n) })); }, signal);
      if (!found) return null;
      set(found);
      say(t("break.found", { tries: fmt.number(tries), time: ((performance.now() - begin) / 1000).toFixed(1), bits: network.bits }));
      return found;
    } finally {
      searching = false;
    }
  }

  async function sign() {
    key ??= newKey();
    const found = await work({ ...relink(draft), builder: key.builder });
    if (!found) return;
    set(signBlock(found, network, key.secret));
    const { checks: now } = checker.check(draft);
    const outcome = !now.fields.ok ? "break.signedRefused" : now.next ? "break.signedBelow" : "break.signedTip";
    say(t(outcome, { count: fmt.number(given.confirmations - 1), next: fmt.number(given.block.height + 1) }));
  }

  changed();
  return h("div", {},
    chooser(given, ctx),
    checks.strip,
    h("div", { class: "bench" },
      fields.node,
      h("div", { class: "bench-side" }, card(t("break.checks"), checks.node), card(t("break.tools"), h("p", { class: "faint" }, t("break.toolsMore")), h("p", { class: "with-buttons" }, buttons), said))));
}

// chooser leads to the other blocks.
function chooser({ block, own, confirmations, onChain }, { t, fmt, call, go }) {
  const input = h("input", { inputmode: "numeric", size: 8, id: "break-height", value: own ? "" : block.height, "aria-label": t("break.height") });
  const problem = h("span", { class: "field-error", role: "alert" });
  const to = async (height) => {
    try {
      const reply = await call("block", { height });
      if (reply.status === 200) go(`#/break/${reply.response.block.hash}`);
      else problem.textContent = t("break.none", { height });
    } catch {
      problem.textContent = t("search.lost");
    }
  };
  const button = (key, height, usable) => h("button", { type: "button", class: "plain", disabled: !usable, onclick: () => to(height) }, t(key));
  const which = own ? t("break.own") : t(onChain ? "break.which" : "break.side", { height: fmt.number(block.height), count: fmt.number(block.items.length) });
  return h("form", { class: "chooser with-buttons", onsubmit: (event) => { event.preventDefault(); to(input.value.trim()); } },
    h("strong", {}, which),
    h("label", { for: "break-height" }, t("break.height")), input, h("button", { type: "submit", class: "plain" }, t("break.show")),
    button("break.before", block.height - 1, !own && block.height > 0),
    button("break.after", block.height + 1, confirmations > 1),
    h("a", { class: "button plain", href: "#/break/sample" }, t("break.sample")), problem);
}
