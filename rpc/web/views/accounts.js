// The accounts of the chain with what they hold, in pages: the richest first, or in the
// order of the accounts, all or those that begin with some digits.

import { h, keyed } from "../dom.js";
import { retell } from "../i18n.js";
import { accountLink, card, copyButton, empty, table, titled } from "../ui.js";

const PAGE = 50;
const ASK_EVERY = 2000; // milliseconds, while blocks come

export function mount(el, ctx) {
  const { t, fmt, call } = ctx;
  const from = [undefined]; // the beginning of this page, and of those before it
  let next, asked = "", askedAt = -Infinity, turn = 0;

  const again = () => { from.length = 1; ask(); };
  const by = h("select", { id: "accounts-by", onchange: again },
    h("option", { value: "balance" }, t("accounts.byBalance")), h("option", { value: "account" }, t("accounts.byAccount")));
  const prefix = h("input", { id: "accounts-prefix", type: "search", autocomplete: "off", spellcheck: "false", oninput: again, placeholder: t("accounts.digits") });
  const columns = [{ title: t("account.title") }, { title: t("accounts.kind") }, { title: t("statement.balance"), class: "number" }];
  const list = table(columns);
  list.body.id = "account-rows";
  const none = empty(t("accounts.none"));
  const said = h("p", { class: "outcome bad", hidden: true, role: "status" });
  const newer = h("button", { type: "button", class: "plain", onclick: () => { if (from.length > 1) from.pop(); ask(); } }, t("block.previous"));
  const older = h("button", { type: "button", class: "plain", onclick: () => { if (from.at(-1) !== next) from.push(next); ask(); } }, t("block.next"));
  const pager = h("nav", { class: "pager", "aria-label": t("accounts.pages") }, newer, older);
  none.hidden = pager.hidden = true; // until the node answers
  el.append(h("h1", {}, t("page.accounts")), card(t("accounts.title"),
    h("p", { class: "bar" }, h("label", {}, t("accounts.by"), " ", by), " ", h("label", {}, t("accounts.prefix"), " ", prefix)),
    said, list.node, none, pager));

  async function ask() {
    const mine = ++turn;
    askedAt = performance.now();
    const reply = await call("accounts", { by: by.value, prefix: prefix.value.trim(), limit: PAGE, from: from.at(-1) }).catch(() => null);
    if (mine !== turn) return; // another was asked for meanwhile
    if (reply === null) { asked = ""; return; } // the connection was lost
    said.hidden = reply.status === 200;
    said.textContent = said.hidden ? "" : retell(reply.error);
    const { accounts, next: rest } = reply.response ?? { accounts: [] };
    next = rest;
    keyed(list.body, accounts, (a) => ({ key: a.account, version: `${a.balance} ${a.minted} ${a.redeemed}`, make: () => row(a) }));
    none.hidden = accounts.length > 0 || !said.hidden;
    list.node.hidden = accounts.length === 0;
    newer.disabled = from.length === 1;
    older.disabled = next === undefined;
    pager.hidden = newer.disabled && older.disabled;
  }

  function row({ account, kind, balance, minted, redeemed }) {
    const holds = kind === "issuer"
      ? `${t("account.minted", { n: fmt.number(minted) })} · ${t("account.redeemed", { n: fmt.number(redeemed) })}`
      : fmt.number(balance);
    return titled(columns, h("tr", {},
      h("td", {}, accountLink(account), copyButton(account)),
      h("td", {}, t(`accounts.${kind}`)),
      h("td", { class: balance < 0 ? "number bad" : "number" }, holds)));
  }

  return {
    update({ info }) {
      if (!info || info.tip === asked || performance.now() - askedAt < ASK_EVERY) return;
      asked = info.tip;
      ask();
    },
    destroy() { turn++; },
  };
}
