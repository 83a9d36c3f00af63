// The pool: transactions that are in no block yet, and why some wait.

import { h, keyed, setText } from "../dom.js";
import { explain } from "../lib/reason.js";
import { accountLink, card, copyButton, empty, table, titled, txLink } from "../ui.js";

const PAGE = 50;

export function mount(el, ctx) {
  const { t, fmt } = ctx;
  const count = h("p", { id: "pool-count", role: "status" });
  const columns = [
    { title: t("pool.arrival"), class: "number" }, { title: t("pool.tx") }, { title: t("pool.from") }, { title: t("pool.to") },
    { title: t("pool.amount"), class: "number" }, { title: t("pool.age"), class: "number" }, { title: t("pool.state") },
  ];
  const list = table(columns);
  list.body.id = "pool-rows";
  const none = empty(t("pool.none"));
  const newer = h("button", { type: "button", class: "plain", onclick: () => go(-PAGE) }, t("block.previous"));
  const older = h("button", { type: "button", class: "plain", onclick: () => go(PAGE) }, t("block.next"));
  const range = h("span", {});
  const pager = h("nav", { class: "pager", "aria-label": t("pool.pages") }, newer, range, older);
  const only = h("input", { type: "checkbox", id: "only-waiting", onchange: () => { from = 0; update(ctx.state); } });
  el.append(h("h1", {}, t("page.pool")), count,
    card(t("pool.title"), h("p", { class: "bar" }, h("label", {}, only, " ", t("pool.only"))), list.node, none, pager));
  let from = 0;

  function go(by) {
    from = Math.max(0, from + by);
    update(ctx.state);
  }

  function update(state) {
    // What the next block may hold comes first.
    let all = [...state.pool.values()].sort((a, b) => Boolean(a.waiting) - Boolean(b.waiting) || a.arrival - b.arrival);
    if (only.checked) all = all.filter((e) => e.waiting);
    while (from > 0 && from >= all.length) from -= PAGE;
    const page = all.slice(from, from + PAGE);
    const text = [t("pool.count", { all: fmt.number(state.poolSize), waiting: fmt.number(state.poolWaiting) })];
    if (state.poolSize > state.pool.size) text.push(t("pool.window", { n: fmt.number(state.pool.size) }));
    setText(count, text.join(" "));
    keyed(list.body, page, (e) => ({ key: e.arrival, version: e.waiting ?? "", make: () => row(e) }));
    page.forEach(({ tx }, i) => setText(list.body.children[i].querySelector(".age"), fmt.duration(state.now() - tx.t)));
    none.hidden = page.length > 0;
    pager.hidden = all.length <= PAGE;
    newer.disabled = from === 0;
    older.disabled = from + PAGE >= all.length;
    range.textContent = t("pool.range", { from: fmt.number(from + 1), to: fmt.number(from + page.length), all: fmt.number(all.length) });
  }

  function row({ arrival, waiting, tx }) {
    return titled(columns, h("tr", { class: waiting ? "waits" : "" },
      h("td", { class: "number faint" }, String(arrival)),
      h("td", {}, txLink(tx.id), copyButton(tx.id)),
      h("td", {}, accountLink(tx.sender)), h("td", {}, accountLink(tx.receiver)),
      h("td", { class: "number" }, fmt.number(tx.amount)),
      h("td", { class: "number age", title: fmt.time(tx.t * 1000) }),
      h("td", { class: "wide" }, waiting
        ? [h("span", { class: "badge warn" }, t("pool.waits")), " ", explain(waiting, ctx)]
        : h("span", { class: "badge good" }, t("pool.ready")))));
  }

  return { update };
}
