// The chain: the last blocks as a strip with its side branches, and all of it
// in pages, across which a line stands above the blocks that are final.

import { h, keyed, setText } from "../dom.js";
import { alarm } from "../evidence.js";
import { finalHeight, isFinal, standing } from "../finality.js";
import { strip } from "../strip.js";
import { blockLink, builderName, card, copyButton, empty, swatch, table, titled } from "../ui.js";

const PAGE = 25;       // blocks of one page
const ASK_EVERY = 2000; // milliseconds between two questions for side branches

export function mount(el, ctx) {
  const { t, fmt, call } = ctx;
  const blocks = strip(ctx, { count: 24 });
  const about = h("p", { class: "faint", id: "chain-about" });
  const columns = [
    { title: t("chain.height"), class: "number" }, { title: t("chain.hash") }, { title: t("chain.final"), class: "voted-only" },
    { title: t("chain.count"), class: "number" }, { title: t("chain.builder") }, { title: t("chain.built") },
  ];
  const list = table(columns);
  list.body.id = "block-rows";
  const none = empty(t("chain.none"));
  const pager = h("nav", { class: "pager", "aria-label": t("chain.pages") });
  const evidence = alarm(ctx);
  el.append(h("h1", {}, t("page.chain")), about, evidence.node,
    card(t("chain.last"), blocks.node), card(t("chain.all"), list.node, none, pager));

  let top = null;    // height of the first row; null: the newest, live
  let rows = [];     // headers of a page that is not the live one
  let sides = [], asked = -Infinity, askedFor = "", gone = false, turn = 0;

  async function askSides(state) {
    const what = `${state.info.tip} ${state.info.side_headers} ${state.info.rivals}`;
    if (what === askedFor || performance.now() - asked < ASK_EVERY) return;
    asked = performance.now();
    askedFor = what;
    try {
      const reply = await call("branches", { start: -24, limit: 200 });
      sides = reply.response?.headers ?? [];
      if (!gone) update(state);
    } catch {
      askedFor = ""; // the connection was lost: asked again over the next one
    }
  }

  async function goTo(height) {
    const mine = ++turn;
    if (height !== null) {
      const start = Math.max(0, height - PAGE + 1);
      const reply = await call("blocks", { start, limit: height - start + 1, items: false }).catch(() => null);
      if (gone || mine !== turn || !reply?.response) return;
      rows = reply.response.blocks.reverse();
    }
    top = height;
    update(ctx.state);
  }

  function update(state) {
    if (!state.info) return;
    askSides(state);
    evidence.update(state);
    blocks.update(state, sides);
    const newest = state.info.blocks - 1;
    const page = top === null ? state.blocks.slice(0, PAGE) : rows;
    about.textContent = t("chain.about", { blocks: fmt.number(state.info.blocks), side: fmt.number(state.info.side_headers) });
    const rowsAndLine = withLine(state, page);
    list.node.classList.toggle("voted", finalHeight(state) !== null);
    keyed(list.body, rowsAndLine, (b) => (b.line ? { key: "line", version: b.line, make: () => lineRow(b.line) } : {
      key: b.hash,
      version: `${isFinal(state, b.height)}`,
      make: () => row(state, b),
    }));
    // Ages change each second: the rows stay, and with them the focus.
    rowsAndLine.forEach((b, i) => {
      if (b.line) return;
      setText(list.body.children[i].querySelector(".age"), fmt.ago(state.now() - b.time / 1000));
      setText(list.body.children[i].querySelector(".builder"), builderName(state, b.builder) || fmt.short(b.builder));
    });
    none.hidden = page.length > 0;
    drawPager(newest, page);
  }

  // withLine puts the line above the newest final block, where the page shows that edge.
  function withLine(state, page) {
    const line = finalHeight(state), at = line === null ? -1 : page.findIndex((b) => b.height <= line);
    if (at < 0 || (at === 0 && top !== null)) return page;
    return page.toSpliced(at, 0, { line: standing(state, line) });
  }

  const lineRow = (words) => h("tr", { class: "line" }, h("td", { colspan: 6 }, h("span", {}, words)));

  function row(state, b) {
    const final = isFinal(state, b.height);
    return titled(columns, h("tr", {},
      h("td", { class: "number" }, fmt.number(b.height)),
      h("td", { class: "wide" }, swatch(b.hash, b.height), blockLink(b.hash, b.hash.slice(0, 16)), copyButton(b.hash)),
      h("td", { class: `voted-only ${final ? "good" : "warn"}` }, t(final ? "final.word" : "final.notWord")),
      h("td", { class: "number" }, fmt.number(b.count)),
      h("td", { class: "builder", title: b.builder }),
      h("td", { class: "age", title: fmt.time(b.time) })));
  }

  let drawn = "";
  function drawPager(newest, page) {
    const high = page[0]?.height ?? 0, low = page.at(-1)?.height ?? 0;
    const now = `${top} ${newest} ${high} ${low}`;
    if (now === drawn) return;
    drawn = now;
    pager.hidden = page.length === 0;
    const held = pager.contains(document.activeElement) ? document.activeElement.dataset.to : "";
    const button = (to, text, height, usable) =>
      h("button", { type: "button", class: "plain", "data-to": to, disabled: !usable, onclick: () => goTo(height) }, text);
    pager.replaceChildren(
      button("newest", t("page.newest"), null, top !== null),
      button("newer", t("page.newer"), high + PAGE >= newest ? null : high + PAGE, top !== null),
      h("span", {}, t("chain.range", { low: fmt.number(low), high: fmt.number(high) })),
      button("older", t("page.older"), low - 1, low > 0),
      button("oldest", t("page.oldest"), Math.min(newest, PAGE - 1), low > 0));
    if (held) pager.querySelector(`[data-to="${held}"]`)?.focus();
  }

  return { update, destroy: () => { gone = true; } };
}
