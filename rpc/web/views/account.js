// An account: what it holds, what of it waits in the pool, and its history,
// newest first, in pages.

import { h, keyed, setText } from "../dom.js";
import { isFinal } from "../finality.js";
import { retell } from "../i18n.js";
import { explain } from "../lib/reason.js";
import { before, behindKey, held, statementForm } from "../statement.js";
import { accountLink, blockLink, card, code, empty, table, titled, txLink } from "../ui.js";

const PAGE = 20;    // transactions of one page
const POOLED = 10;  // of the pool shown

// mount shows the account ctx.param.
export function mount(el, ctx) {
  const { t, fmt, call } = ctx;
  const id = ctx.param.toLowerCase();
  const from = [{}]; // the beginning of this page, and of those before it: {place, balance}
  let next, asked = "", asking = false, turn = 0, pooled = "";

  const head = h("div", { class: "holding" });
  const columns = [
    { title: t("account.what") }, { title: t("account.amount"), class: "number" }, { title: t("statement.balance"), class: "number behind" }, { title: t("account.with") },
    { title: t("account.when") }, { title: t("account.block") }, { title: t("account.tx") },
  ];
  const history = table(columns);
  const none = empty(t("account.none"));
  const waiting = h("ul", { class: "plain-list" });
  const waitingCard = card(t("account.pool"), waiting);
  const newest = h("button", { type: "button", class: "plain", onclick: () => { from.length = 1; ask(); } }, t("page.newest"));
  const older = h("button", { type: "button", class: "plain", onclick: () => { if (from.at(-1) !== next) from.push(next); ask(); } }, t("page.older"));
  const newer = h("button", { type: "button", class: "plain", onclick: () => { if (from.length > 1) from.pop(); ask(); } }, t("page.newer"));
  const pager = h("p", { class: "pager" }, newest, newer, older);
  waitingCard.hidden = none.hidden = history.node.hidden = pager.hidden = true; // until the node answers
  el.append(h("h1", { class: "unseen" }, t("account.title")),
    card(t("account.title"), code(id), head),
    waitingCard,
    card(t("account.history"), history.node, none, pager),
    card(t("statement.title"), statementForm(id, ctx)),
  );

  async function ask() {
    const mine = ++turn;
    asking = true;
    const reply = await call("account", { account: id, limit: PAGE, from: from.at(-1).place }).catch(() => null);
    if (mine !== turn) return; // another was asked for meanwhile
    asking = false;
    if (reply === null) asked = ""; // the connection was lost: asked again when it is back
    else if (reply.status === 200) draw(reply.response);
    else if (from.length > 1) startAgain(); // the block that this page begins in left the chain
    else head.replaceChildren(h("p", { class: "outcome bad" }, retell(reply.error)));
  }

  function startAgain() {
    from.length = 1;
    asked = "";
  }

  function draw(account) {
    let balance = from.at(-1).balance ?? held(account);
    head.replaceChildren(...holding(account));
    columns[2].title = t(behindKey(account.kind));
    setText(history.node.querySelector("th.behind"), columns[2].title);
    keyed(history.body, account.history.map((entry) => {
      const behind = balance;
      balance = before(balance, entry.direction, entry.tx.amount);
      return { ...entry, behind };
    }), (entry) => ({
      key: `${entry.block.hash}/${entry.block.index}`, version: `${entry.confirmations} ${entry.behind} ${isFinal(ctx.state, entry.block.height)}`, make: () => row(entry),
    }));
    next = account.next && { place: account.next, balance };
    none.hidden = account.history.length > 0;
    history.node.hidden = !none.hidden;
    newest.hidden = newer.hidden = from.length === 1;
    older.hidden = next === undefined;
    pager.hidden = newest.hidden && older.hidden;
  }

  function holding({ kind, balance, may_owe: owe, minted, redeemed }) {
    const said = h("p", { class: "faint" }, t(`account.${kind}`));
    const send = h("a", { class: "button", href: `#/send/${id}` }, t("account.send"));
    if (kind === "issuer") {
      return [
        h("p", { class: "big" }, t("account.minted", { n: fmt.number(minted) }), " · ", t("account.redeemed", { n: fmt.number(redeemed) })),
        said, send,
      ];
    }
    return [
      h("p", { class: "big" }, h("strong", { class: balance < 0 ? "balance bad" : "balance" }, fmt.number(balance))),
      balance < 0 && h("p", { class: "bad" }, t("account.owes", { n: fmt.number(-balance) })),
      owe && h("p", { class: "owe" }, t("account.mayOwe", { n: fmt.number(owe), left: fmt.number(balance + owe) })),
      said, kind === "open" && send,
    ].filter(Boolean);
  }

  function row({ direction, tx, block, confirmations, behind }) {
    const other = direction === "out" ? tx.receiver : tx.sender;
    const sign = { in: "+", out: "−", self: "±" }[direction];
    return titled(columns, h("tr", {},
      h("td", { class: `way-${direction}` }, t(`account.${direction}`)),
      h("td", { class: `number way-${direction}` }, `${sign} ${fmt.number(tx.amount)}`),
      h("td", { class: "number" }, fmt.number(behind)),
      h("td", {}, accountLink(other)),
      h("td", {}, fmt.time(tx.t * 1000)),
      h("td", {}, blockLink(block.hash, fmt.number(block.height)), " ", how(block, confirmations)),
      h("td", {}, txLink(tx.id))));
  }

  function how({ height }, confirmations) {
    const final = isFinal(ctx.state, height);
    if (final === null) return h("span", { class: "faint" }, t("account.deep", { count: fmt.number(confirmations) }));
    return h("span", { class: final ? "good" : "warn" }, t(final ? "final.word" : "final.notWord"));
  }

  function drawPool(pool) {
    const mine = [...pool.values()].filter(({ tx }) => tx.sender === id || tx.receiver === id);
    const look = mine.map((e) => `${e.arrival}${e.waiting}`).join();
    if (look === pooled) return;
    pooled = look;
    waitingCard.hidden = mine.length === 0;
    waiting.replaceChildren(...mine.slice(0, POOLED).map(({ tx, waiting: why }) => {
      const out = tx.sender === id;
      return h("li", {},
        h("strong", { class: out ? "way-out" : "way-in" }, `${out ? "−" : "+"} ${fmt.number(tx.amount)} `),
        accountLink(out ? tx.receiver : tx.sender), " ", txLink(tx.id, t("account.receipt")),
        why && h("span", { class: "faint" }, ` ${explain(why, ctx)}`));
    }));
    if (mine.length > POOLED) waiting.append(h("li", { class: "faint" }, t("account.more", { count: fmt.number(mine.length - POOLED) })));
  }

  return {
    update({ info, pool }) {
      drawPool(pool);
      const look = info && `${info.tip} ${info.final?.height}`;
      if (!info || asking || look === asked) return;
      asked = look;
      ask();
    },
    destroy() { turn++; },
  };
}
