// What of a block holds and what does not: a drawing of the block between its
// neighbours, and a line for each check, with what the block says beside what
// its parts give.

import { h } from "../dom.js";

const LISTED = 2;    // of the transactions that fail one check
const CHANGES = 12;  // of what was edited

// In the order in which one follows from the other.
const ORDER = ["fields", "txSignatures", "links", "root", "hash", "work", "signature", "parent", "next"];

export class Checks {
  #ctx;
  #given;
  #undo;
  #summary = h("p", { class: "summary", role: "status" });
  #changes = h("ul", { class: "changes" });
  #list = h("ol", { class: "checks" });

  // undo(path) is called when somebody takes a change back.
  constructor(given, ctx, undo) {
    this.#given = given;
    this.#ctx = ctx;
    this.#undo = undo;
    this.strip = h("div", { class: "chainlet" });
    this.node = h("div", {}, this.#summary, this.#changes, this.#list);
  }

  show(block, result, changes) {
    const { t, fmt } = this.#ctx;
    const broken = ORDER.filter((name) => fails(result.checks[name]));
    this.#summary.textContent = broken.length === 0
      ? t(changes.length === 0 ? "break.allHolds" : "break.allHoldsChanged")
      : t("break.broken", { list: broken.map((name) => t(`break.c.${name}`)).join(t("break.and")) });
    this.#summary.dataset.ok = broken.length === 0;
    this.#changes.replaceChildren(...changes.slice(0, CHANGES).map((change) => this.#change(change)));
    if (changes.length > CHANGES) this.#changes.append(h("li", {}, t("break.moreChanges", { count: fmt.number(changes.length - CHANGES) })));
    this.#list.replaceChildren(...ORDER.flatMap((name) => this.#check(name, result)));
    this.#drawStrip(block, result, broken);
  }

  #change({ path, was, now }) {
    const { t } = this.#ctx;
    const undo = h("button", { type: "button", class: "plain undo", "aria-label": t("break.undoField", { field: path }), title: t("break.undo"), onclick: () => this.#undo(path) }, "↶");
    return h("li", {}, undo, h("code", {}, path), " ", h("del", {}, cut(was)), " → ", h("ins", {}, cut(now)));
  }

  #check(name, { checks, hash }) {
    const check = checks[name];
    const parts = Array.isArray(check) ? check.map((c, i) => ({ ...c, i, there: c !== undefined })).filter((c) => c.there) : null;
    if (check === undefined || parts?.length === 0) return [];
    const { t } = this.#ctx;
    const bad = fails(check);
    const values = this.#values(name, check, parts);
    // Where nothing can be computed, nothing is said of what came out.
    const none = check.is === null || (name === "signature" && hash === null);
    return [h("li", { "data-check": name, "data-ok": String(!bad) },
      h("p", { class: "check-title" }, h("span", { class: "mark", role: "img", "aria-label": t(bad ? "break.fails" : "break.holds") }, bad ? "✗" : "✓"), h("strong", {}, t(`break.c.${name}`))),
      h("p", { class: "faint" }, t(none ? "break.cannotCheck" : `break.c.${name}.${bad ? "bad" : "good"}`, values)),
      bad && !none && this.#details(name, check, parts))];
  }

  #values(name, check, parts) {
    const { fmt } = this.#ctx;
    const { block, around } = this.#given;
    return {
      said: check.said, is: check.is ?? "–", count: parts && fmt.number(parts.length), bad: parts && fmt.number(parts.filter((c) => !c.ok).length),
      next: fmt.number(block.height + 1), below: fmt.number(block.height - 1), hash: around.below,
    };
  }

  #details(name, check, parts) {
    const { t, fmt } = this.#ctx;
    if (name === "fields") {
      return h("ul", {}, check.bad.slice(0, LISTED).map(({ field, rule, values }) => h("li", {}, h("code", {}, field), " ", t(`rule.${rule}`, values))));
    }
    if (name === "txSignatures" || name === "signature" || name === "work") return null;
    if (!parts) return difference(check, t);
    const failing = parts.filter((c) => !c.ok);
    return h("ul", {}, failing.slice(0, LISTED).map((c) => h("li", {}, h("code", {}, `items[${c.i}].prev_hash`), difference(c, t))),
      failing.length > LISTED && h("li", { class: "faint" }, t("break.moreBad", { count: fmt.number(failing.length - LISTED) })));
  }

  // The block between its neighbours: a link that no longer holds is torn.
  #drawStrip(block, { checks, hash }, broken) {
    const { t, fmt } = this.#ctx;
    const { around, own, confirmations, block: was } = this.#given;
    const box = (state, title, text, more) => h("div", { class: "chainlet-block", "data-state": state }, h("strong", {}, title), h("span", { class: "code" }, text), more && h("small", {}, more));
    const link = (ok) => h("span", { class: "chainlet-link", "data-ok": String(ok), role: "img", "aria-label": t(ok ? "break.linked" : "break.torn") }, ok ? "⟵" : "⟵✗");
    const below = was.height === 0
      ? box("start", t("break.network"), around.below.slice(0, 8), t("break.start"))
      : box("ok", t("break.block", { height: fmt.number(was.height - 1) }), around.below.slice(0, 8));
    const own_ = box(broken.length === 0 ? "ok" : "broken", t(own ? "break.ownBlock" : "break.block", { height: textHeight(block, fmt) }), hash?.slice(0, 8) ?? "–", broken.length === 0 ? t("break.holds") : t("break.brokenCount", { count: broken.length }));
    const above = around.above === undefined ? [] : [
      link(checks.next.ok),
      box(checks.next.ok ? "ok" : "broken", t("break.block", { height: fmt.number(was.height + 1) }), around.above.slice(0, 8), t("break.names")),
      confirmations > 2 && box(checks.next.ok ? "more" : "broken", "…", t("break.above", { count: fmt.number(confirmations - 2) })),
    ];
    this.strip.replaceChildren(below, link(checks.parent.ok), own_, ...above.filter(Boolean));
  }
}

const fails = (check) => (Array.isArray(check) ? check.some((c) => c && !c.ok) : check !== undefined && !check.ok);

const textHeight = (block, fmt) => (Number.isSafeInteger(block.height) ? fmt.number(block.height) : "?");

const cut = (text) => { text = String(text); return text.length > 40 ? `${text.slice(0, 18)}…${text.slice(-6)}` : text || "null"; };

// difference shows two values one above the other, with the places marked where
// they differ.
function difference({ said, is }, t) {
  const a = said === null || said === undefined || said === "" ? "null" : String(said), b = is ?? t("break.cannot");
  const marked = (text, other) => {
    const out = [];
    let run = "", differs = false;
    const flush = () => { if (run) out.push(differs ? h("mark", {}, run) : run); run = ""; };
    for (let i = 0; i < text.length; i++) {
      const d = text[i] !== other[i];
      if (d !== differs) { flush(); differs = d; }
      run += text[i];
    }
    flush();
    return out;
  };
  const same = is === null; // nothing to compare with
  return h("dl", { class: "difference" },
    h("dt", {}, t("break.says")), h("dd", { class: "code" }, same ? a : marked(a, b)),
    h("dt", {}, t("break.gives")), h("dd", { class: "code" }, same ? b : marked(b, a)));
}
