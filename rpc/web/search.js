// The search box in the head of the page: a transaction's ID, an account, a
// block's hash or height, or the beginning of one. It goes
// to what was meant, lets choose where that may be two things, and says in
// words when nothing is found.

import { h } from "./dom.js";
import { retell } from "./i18n.js";
import { isUUID } from "./lib/bytes.js";

const SHOWN = 8; // choices

// mount fills the form, anew when the language changes.
export function mount(form, ctx) {
  const input = h("input", {
    type: "search", name: "q", id: "query", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
    "aria-label": ctx.t("search.label"), placeholder: ctx.t("search.placeholder"), "aria-describedby": "found",
  });
  const found = h("div", { id: "found", role: "status", tabindex: -1 });
  form.replaceChildren(input, found);
  const clear = () => found.replaceChildren();
  let turn = 0;

  input.addEventListener("input", () => { turn++; clear(); });
  input.addEventListener("keydown", (event) => { if (event.key === "Escape") clear(); });
  found.addEventListener("click", (event) => { if (event.target.closest("a")) clear(); });
  const left = ({ relatedTarget }) => { if (!form.contains(relatedTarget)) clear(); };
  for (const node of [input, found]) node.addEventListener("focusout", left); // the form stays when the language changes
  form.onsubmit = async (event) => {
    event.preventDefault();
    const mine = ++turn;
    const { go, say, choose } = await find(input.value.trim(), ctx);
    if (mine !== turn) return; // something else was typed meanwhile
    clear();
    if (say) found.append(h("p", {}, say));
    if (choose) found.append(h("ul", {}, choose.map(({ route, text }) => h("li", {}, h("a", { href: route }, text)))));
    if (go) {
      input.value = "";
      input.blur();
      ctx.go(go);
    } else {
      found.querySelector("a")?.focus();
    }
  };
}

// find gives {go: route}, {say: text}, or
// {say, choose: [{route, text}…]}.
export async function find(query, ctx) {
  try {
    if (query === "") return { say: ctx.t("search.empty") };
    if (/^#?\d{1,15}$/.test(query)) return await byDigits(query, ctx);
    if (/^[0-9a-f]{64}$/i.test(query)) return await byHash(query.toLowerCase(), ctx);
    if (isUUID(query)) return await byUUID(query.toLowerCase(), ctx);
    if (/^(issuer|发行者|发行账户)$/i.test(query)) return { go: `#/account/${issuer(ctx)}` };
    const named = byName(query.toLowerCase(), ctx);
    if (named.length > 0) return named.length === 1 ? { go: named[0].route } : { say: ctx.t("search.named"), choose: named };
    const begins = byBeginning(query.toLowerCase(), ctx);
    return begins.none ? await byNode(query.toLowerCase(), ctx) : begins;
  } catch {
    return { say: ctx.t("search.lost") };
  }
}

export const issuer = ({ state }) => state.info?.network.issuers[0] ?? "00000000-0000-0000-0000-000000000000";

// Nodes whose name begins so; all are on one view.
function byName(query, { t, state: { nodes, info } }) {
  const hits = [info, ...nodes].filter((n) => n?.name && n.name.toLowerCase().startsWith(query));
  return hits.slice(0, SHOWN).map((n) => ({ route: n === info ? "#/" : "#/network", text: t("search.node", { name: n.name }) }));
}

// Digits are a height, or the beginning of a hash, which mostly is zeros.
async function byDigits(query, ctx) {
  const { call, t, fmt } = ctx;
  const begins = byBeginning(query, ctx);
  if (/^0\d/.test(query)) return begins.none ? await byNode(query, ctx) : begins;
  const height = Number(query.replace("#", ""));
  const reply = await call("block", { height });
  if (reply.status === 200) return { go: `#/block/${reply.response.block.hash}` };
  if (!begins.none) return begins;
  const known = query.length < 4 ? {} : await byNode(query, ctx);
  if (known.go || known.choose) return known;
  const { blocks } = (await call("info")).response;
  return { say: blocks === 0 ? t("search.noBlocks") : t("search.noHeight", { height, top: fmt.number(blocks - 1) }) };
}

async function byHash(hash, { call, t, state }) {
  const reply = await call("block", { hash });
  if (reply.status === 200) return { go: `#/block/${hash}` };
  if (hash === state.info?.network.id) return { say: t("search.networkID") };
  return { say: t("search.noHash", { reason: retell(reply.error) }) };
}

// One UUID may name a transaction and an account at once.
async function byUUID(id, { call, t, state }) {
  const [tx, account] = await Promise.all([call("tx", { id }), call("account", { account: id, limit: 1 })]);
  const pooled = [...state.pool.values()].some((e) => e.tx.sender === id || e.tx.receiver === id);
  const known = account.status === 200 && (account.response.history.length > 0 || account.response.kind === "issuer" || pooled);
  const choose = [];
  if (tx.status === 200) choose.push({ route: `#/tx/${id}`, text: t("search.tx", { id }) });
  if (known) choose.push({ route: `#/account/${id}`, text: t("search.account", { id }) });
  if (choose.length === 1) return { go: choose[0].route };
  return choose.length === 0 ? { say: t("search.noUUID") } : { say: t("search.both"), choose };
}

// The node knows all that begins so, also what is not on the page. Of what it refuses,
// more than one fits.
async function byNode(query, { call, t, fmt }) {
  const digits = query.replace(/[…-]/g, "").length;
  if (digits > 64 || !SHORT.test(query)) return { say: t("search.what") };
  if (!/^[0-9a-f]{4}/.test(query)) return { say: t("search.noBeginning") };
  const ask = (op, args, most) => digits <= most ? call(op, args) : { status: 404 };
  const [block, tx, account] = await Promise.all(
    [ask("block", { hash: query }, 64), ask("tx", { id: query }, 32), ask("account", { account: query, limit: 1 }, 32)]);
  const choose = [];
  const note = (route, text) => choose.push({ route, text });
  if (block.status === 200) {
    const { height, hash } = block.response.block;
    note(`#/block/${hash}`, t("search.block", { height: fmt.number(height), hash }));
  }
  if (tx.status === 200) note(`#/tx/${tx.response.tx.id}`, t("search.tx", { id: tx.response.tx.id }));
  if (account.status === 200) note(`#/account/${account.response.account}`, t("search.account", { id: account.response.account }));
  // The error of more than one names some.
  for (const [reply, view, key] of [[block, "block", "search.hash"], [tx, "tx", "search.tx"], [account, "account", "search.account"]]) {
    const alike = reply.status === 500 ? reply.error.match(/\b([0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/g) ?? [] : [];
    for (const id of alike) note(`#/${view}/${id}`, t(key, { id }));
  }
  const more = [block, tx, account].some((reply) => reply.status === 500);
  if (choose.length === 0) return { say: t(more ? "search.more" : "search.none") };
  return choose.length === 1 && !more ? { go: choose[0].route } : { say: t("search.several"), choose };
}

const SHORT = /^[0-9a-f][0-9a-f…-]+$/;

// What the page shows short can be searched for as it is shown.
// none tells that nothing does.
function byBeginning(query, { t, fmt, state }) {
  if (!SHORT.test(query)) return { none: true, say: t("search.what") };
  const [begin, end = ""] = query.split("…");
  const fits = (text) => text.startsWith(begin) && text.endsWith(end);
  const hits = new Map();
  const note = (route, text) => { if (hits.size < SHOWN) hits.set(route, text); };
  for (const b of state.blocks) if (fits(b.hash)) note(`#/block/${b.hash}`, t("search.block", { height: fmt.number(b.height), hash: b.hash }));
  for (const { tx } of state.pool.values()) {
    if (fits(tx.id)) note(`#/tx/${tx.id}`, t("search.tx", { id: tx.id }));
    for (const id of [tx.sender, tx.receiver]) if (fits(id)) note(`#/account/${id}`, t("search.account", { id }));
  }
  if (hits.size === 0) return { none: true, say: t("search.noBeginning") };
  if (hits.size === 1) return { go: hits.keys().next().value };
  return { say: t("search.several"), choose: [...hits].map(([route, text]) => ({ route, text })) };
}
