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
export async function find(query, { call, ...ctx }) {
  ctx.call = async (op, args) => {
    const reply = await call(op, args);
    if (/^The node could not answer/.test(reply.error)) throw reply; // else it would look as if nothing was found
    return reply;
  };
  try {
    if (query === "") return { say: ctx.t("search.empty") };
    if (/^#?\d{1,15}$/.test(query)) return await byDigits(query, ctx);
    if (/^[0-9a-f]{64}$/i.test(query)) return await byHash(query.toLowerCase(), ctx);
    if (isUUID(query)) return await byUUID(query.toLowerCase(), ctx);
    if (isIssuer(query)) return { go: `#/account/${issuer(ctx)}` };
    const named = byName(query.toLowerCase(), ctx);
    if (named.length > 0) return named.length === 1 ? { go: named[0].route } : { say: ctx.t("search.named"), choose: named };
    return await byBeginning(query.toLowerCase(), ctx);
  } catch ({ status, error }) {
    return { say: status ? retell(error) : ctx.t("search.lost") };
  }
}

// isIssuer reports whether a text is the word for the account that mints.
export const isIssuer = (text) => /^(issuer|发行者|发行账户)$/i.test(text);
export const issuer = ({ state }) => state.info?.network.issuers[0] ?? "00000000-0000-0000-0000-000000000000";

// Nodes whose name begins so; all are on one view.
function byName(query, { t, state: { nodes, info } }) {
  const hits = [info, ...nodes].filter((n) => n?.name && n.name.toLowerCase().startsWith(query));
  return hits.slice(0, SHOWN).map((n) => ({ route: n === info ? "#/" : "#/network", text: t("search.node", { name: n.name }) }));
}

// Digits are a height, or the beginning of a hash, which mostly is zeros.
async function byDigits(query, ctx) {
  const { call, t, fmt } = ctx;
  if (/^0\d/.test(query)) return await byBeginning(query, ctx);
  const height = Number(query.replace("#", ""));
  const reply = await call("block", { height });
  if (reply.status === 200) return { go: `#/block/${reply.response.block.hash}` };
  const begins = await byBeginning(query, ctx);
  if (!begins.none) return begins;
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

const SHORT = /^[0-9a-f][0-9a-f…-]+$/;

// byBeginning finds what begins so, and ends so behind an ellipsis, as short hashes and
// accounts are shown: on the page, and from four digits on in all that the node has. none
// tells that nothing does.
async function byBeginning(query, ctx) {
  const { t } = ctx, digits = query.replace(/[…-]/g, "").length;
  if (!SHORT.test(query) || digits > 64) return { none: true, say: t("search.what") };
  const hits = new Map(), enough = /^[0-9a-f]{4}/.test(query);
  onPage(query, hits, ctx);
  const more = enough && await onNode(query, digits, hits, ctx);
  if (hits.size === 0) return { none: !more, say: t(more ? "search.more" : enough ? "search.none" : "search.noBeginning") };
  if (hits.size === 1 && !more) return { go: hits.keys().next().value };
  const choose = [...hits].map(([route, text]) => ({ route, text })).slice(0, SHOWN);
  return { say: t(more || hits.size > SHOWN ? "search.more" : "search.several"), choose };
}

function onPage(query, hits, { t, fmt, state }) {
  const [begin, end = ""] = query.split("…");
  const note = (view, id, text) => { if (id.startsWith(begin) && id.endsWith(end)) hits.set(`#/${view}/${id}`, text); };
  for (const b of state.blocks) note("block", b.hash, t("search.block", { height: fmt.number(b.height), hash: b.hash }));
  for (const { tx } of state.pool.values()) {
    note("tx", tx.id, t("search.tx", { id: tx.id }));
    for (const id of [tx.sender, tx.receiver]) note("account", id, t("search.account", { id }));
  }
}

// onNode reports whether there may be more than it found. Of what the node refuses, more
// than one fits, and the error names some.
async function onNode(query, digits, hits, { call, t, fmt }) {
  const ask = (op, args, most) => digits <= most ? call(op, args) : { status: 404 };
  const replies = await Promise.all(
    [ask("block", { hash: query }, 64), ask("tx", { id: query }, 32), ask("account", { account: query, limit: 1 }, 32)]);
  const [block, tx, account] = replies.map((reply) => reply.status === 200 ? reply.response : null);
  if (block) hits.set(`#/block/${block.block.hash}`, t("search.block", { height: fmt.number(block.block.height), hash: block.block.hash }));
  if (tx) hits.set(`#/tx/${tx.tx.id}`, t("search.tx", { id: tx.tx.id }));
  if (account) hits.set(`#/account/${account.account}`, t("search.account", { id: account.account }));
  ["block", "tx", "account"].forEach((view, i) => {
    const alike = replies[i].status === 500 ? replies[i].error.match(/\b([0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/g) ?? [] : [];
    for (const id of alike) if (!hits.has(`#/${view}/${id}`)) hits.set(`#/${view}/${id}`, t(view === "block" ? "search.hash" : `search.${view}`, { id }));
  });
  return replies.some((reply) => reply.status === 500 && /\d( or)? more\b/.test(reply.error));
}
