// Parts that several views are made of.

import { blockColor } from "./color.js";
import { h } from "./dom.js";
import { ago, short, shortUUID } from "./fmt.js";
import { t } from "./i18n.js";

// card is a titled section. Its heading names it to screen readers.
let headings = 0;
export function card(title, ...children) {
  const id = `heading-${++headings}`;
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

// copyButton copies a text to the clipboard.
export function copyButton(text) {
  const words = t("page.copyWhat", { what: text.length > 20 ? `${text.slice(0, 16)}…` : text });
  const button = h("button", { type: "button", class: "copy", "aria-label": words, title: words });
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    await copy(text);
    button.classList.add("copied");
    button.setAttribute("aria-label", t("page.copied"));
    setTimeout(() => { button.classList.remove("copied"); button.setAttribute("aria-label", words); }, 1200);
  });
  return button;
}

// A page that is not on localhost or https has no clipboard; the old way works there.
async function copy(text) {
  try {
    return await navigator.clipboard.writeText(text);
  } catch {
    // There is none, or it is not allowed.
  }
  const box = h("textarea", { class: "unseen" });
  box.value = text;
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
}

// code shows a text that can be copied: whole, or as the words given for it.
export const code = (text, shown = text) =>
  h("span", { class: "code", title: text }, h("span", {}, shown), copyButton(text));

// Links that follow a block, a transaction, an account. whole shows all digits
// and a copy button.
export const blockLink = (hash, shown = short(hash)) => h("a", { class: "code", href: `#/block/${hash}`, title: hash }, shown);
export const txLink = (id, shown = shortUUID(id)) => h("a", { class: "code", href: `#/tx/${id}`, title: id }, shown);
export const accountLink = (id, shown = called(id)) => h("a", { class: "code", href: `#/account/${id}`, title: id }, shown);
export const whole = (link, text) => { link.textContent = text; return h("span", {}, link, copyButton(text), issuers.includes(text) && ` (${t("account.called")})`); };

// nodeCommand starts a node of a network: by its name, or where it has rules of its own by
// its file, which the help shows.
export function nodeCommand(network) {
  const { name, bits, issuers, builders, keyed_only, no_self_pay, credit = {}, credit_default } = network;
  const named = bits === 16 && issuers.join() === "00000000-0000-0000-0000-000000000000" && builders.length === 0
    && !keyed_only && !no_self_pay && Object.keys(credit).length === 0 && !credit_default && /^[\p{L}\p{N}_-]+$/u.test(name);
  if (named && name === "foxchain") return "foxchain node";
  return `foxchain node --network ${named ? name : fileName(network)}`;
}
export const fileName = ({ name }) => `./${name.replace(/[^\p{L}\p{N}.-]+/gu, "-")}.json`;

// builderName is what people call a builder, and since when one is gone; empty where its
// name was never known.
export function builderName(state, key) {
  const name = state.names.get(key) ?? "", seen = state.gone.get(key);
  if (!name || seen === undefined) return name;
  return seen ? t("block.goneSince", { name, time: ago(state.now() - seen) }) : t("block.gone", { name });
}

// The accounts that mint, the first of which is called issuer, as in the commands.
let issuers = [];
export const callIssuers = (accounts) => { issuers = accounts; };
function called(id) {
  if (!issuers.includes(id)) return shortUUID(id);
  return id === issuers[0] ? t("account.called") : `${t("account.called")} ${shortUUID(id)}`;
}

// download has the browser save a text as a file.
export function download(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000); // the browser reads it after the click
}

// swatch shows the colour of a block, and a letter where blocks are compared.
export function swatch(hash, height, letter = "") {
  const node = h("i", { class: letter ? "swatch lettered" : "swatch" }, letter);
  if (hash) node.style.background = blockColor(hash, height);
  return node;
}

// empty says in words that nothing is there, and what makes something come.
export const empty = (text) => h("p", { class: "empty" }, text);

// table is a table with these headings, in a box that scrolls by itself.
// columns: [{title, class}]; the rows go into its tbody.
export function table(columns, rows = []) {
  const body = h("tbody", {}, rows);
  const head = h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col", class: c.class }, c.title))));
  return { node: h("div", { class: "table stack" }, h("table", {}, head, body)), body };
}

// titled gives each cell of a row its column's title, which a table of the
// class "stack" shows on a phone, where a row becomes a block of cells.
export function titled(columns, row) {
  [...row.children].forEach((cell, i) => { cell.dataset.title = columns[i].title; });
  return row;
}
