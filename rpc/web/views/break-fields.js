// The fields of a block to edit, each with a line that says what it is.

import { h } from "../dom.js";
import { pythonFloat } from "../lib/python.js";
import { card } from "../ui.js";

const PAGE = 5; // transactions shown at once

// The kind of each field: what is typed becomes a value of it, or stays text,
// which the checks then refuse.
const TX = { id: "hex", sender: "hex", receiver: "hex", amount: "integer", t: "seconds", prev_hash: "null" };
const KEY = { public_key: "hex", signature: "hex" };
const HEADER = {
  version: "integer", height: "integer", prev_hash: "null", root: "hex", time: "integer", bits: "integer",
  builder: "hex", nonce: "hex", hash: "hex", signature: "hex",
};

export function valueOf(kind, text) {
  text = text.trim();
  if (kind === "integer" && /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  if (kind === "seconds" && /^\d+(\.\d*)?([eE][+-]?\d+)?$/.test(text)) return Number(text);
  if (kind === "null" && text === "") return null;
  return text;
}

export function textOf(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "number" && !Number.isSafeInteger(value) ? pythonFloat(value) : String(value);
}

// Fields shows a block and calls edited(block) with a new one after every edit.
export class Fields {
  #original;
  #ctx;
  #edited;
  #block;
  #origins;           // the original of each transaction, while some are taken out or moved
  #page = 0;
  #inputs = new Map(); // path -> {input, row, undo}
  #items = h("div", { class: "items" });
  #pager = h("p", { class: "pager" });
  #digests = [];      // the elements that show them, of the page
  #result = null;

  constructor(block, ctx, edited) {
    this.#original = block;
    this.#ctx = ctx;
    this.#edited = edited;
    const { t } = ctx;
    const header = h("div", { class: "rows" }, Object.entries(HEADER).map(([name, kind]) => this.#row(name, name, kind)));
    this.node = h("div", { class: "bench-fields" }, card(t("break.items"), this.#items, this.#pager), card(t("break.header"), header));
    this.set(block);
  }

  // set shows another block.
  set(block) {
    if (block.items.length !== this.#block?.items.length || block === this.#original) {
      this.#origins = [...this.#original.items];
    }
    this.#block = block;
    this.#drawItems();
    this.#refresh();
  }

  // undo gives the block with one field as it was; all transactions are as they
  // were for "items".
  undo(path) {
    if (path === "items") this.#origins = [...this.#original.items];
    const block = path === "items" ? { ...this.#block, items: this.#original.items } : this.#with(path, this.#originalOf(path));
    this.#block = block;
    this.#drawItems();
    this.#refresh();
    return block;
  }

  // show marks what the checks say of single fields.
  show(result) {
    this.#result = result;
    this.#mark();
  }

  #mark() {
    if (!this.#result) return;
    const { t } = this.#ctx;
    const rules = new Map(this.#result.checks.fields.bad.map((b) => [b.field.replace(/^parent$/, "prev_hash"), b]));
    for (const [path, { input, row, error }] of this.#inputs) {
      const bad = rules.get(path);
      error.textContent = bad ? t(`rule.${bad.rule}`, bad.values) : "";
      if (bad) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      row.dataset.changed = !this.#isOriginal(path);
    }
    for (const { node, index } of this.#digests) {
      node.textContent = this.#result.digests[index] ?? "–";
      node.dataset.changed = Object.keys(this.#block.items[index]).some((name) => name !== "prev_hash" && !this.#isOriginal(`items[${index}].${name}`));
    }
  }

  #row(path, name, kind, explained = true) {
    const { t } = this.#ctx;
    const id = `break-${path.replaceAll(/[^a-z0-9]+/gi, "-")}`;
    const input = h("input", { id, "data-path": path, spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-describedby": `${id}-help`, placeholder: kind === "null" ? "null" : null });
    const error = h("span", { class: "field-error" });
    const undo = h("button", { type: "button", class: "plain undo", title: t("break.undo"), "aria-label": t("break.undoField", { field: path }), onclick: () => { this.#edited(this.undo(path)); } }, "↶");
    const row = h("div", { class: "entry" },
      h("label", { for: id }, t(`break.f.${name}`)), h("div", { class: "with-buttons" }, input, undo), error,
      h("small", { class: explained ? "faint" : "unseen", id: `${id}-help` }, t(`break.f.${name}.help`)));
    input.addEventListener("input", () => {
      this.#block = this.#with(path, valueOf(kind, input.value));
      this.#edited(this.#block);
    });
    this.#inputs.set(path, { input, row, error });
    return row;
  }

  #drawItems() {
    const { t, fmt } = this.#ctx;
    const { items } = this.#block;
    const pages = Math.max(1, Math.ceil(items.length / PAGE));
    this.#page = Math.min(this.#page, pages - 1);
    const look = `${this.#page} ${items.map((tx) => Boolean(tx.public_key || tx.signature)).join()} ${this.#origins.map((tx) => tx.id).join()}`;
    if (this.#items.dataset.look === look) return;
    this.#items.dataset.look = look;
    for (const path of [...this.#inputs.keys()]) if (path.startsWith("items[")) this.#inputs.delete(path);
    this.#digests = [];
    const first = this.#page * PAGE;
    this.#items.replaceChildren(...items.slice(first, first + PAGE).map((_, i) => this.#item(first + i)));
    const turn = (key, page, usable) => h("button", { type: "button", class: "plain", disabled: !usable, onclick: () => { this.#page = page; this.#drawItems(); this.#refresh(); } }, t(key));
    this.#pager.hidden = pages === 1;
    this.#pager.replaceChildren(
      turn("block.previous", this.#page - 1, this.#page > 0),
      h("span", {}, t("break.page", { first: fmt.number(first + 1), last: fmt.number(Math.min(first + PAGE, items.length)), count: fmt.number(items.length) })),
      turn("block.next", this.#page + 1, this.#page < pages - 1));
  }

  #item(index) {
    const { t, fmt } = this.#ctx;
    const tx = this.#block.items[index];
    const kinds = tx.public_key || tx.signature ? { ...TX, ...KEY } : TX;
    const digest = h("span", { class: "code digest" });
    this.#digests.push({ node: digest, index });
    const act = (key, action, usable) => h("button", { type: "button", class: "plain", disabled: !usable, onclick: action }, t(key));
    return h("fieldset", { class: "item" },
      h("legend", {}, t("break.item", { n: fmt.number(index + 1) })),
      Object.entries(kinds).map(([name, kind]) => this.#row(`items[${index}].${name}`, `tx_${name}`, kind, index % PAGE === 0)),
      h("p", { class: "digest-line" }, h("span", { class: "faint" }, t("break.digest")), " ", digest),
      h("p", { class: "with-buttons" },
        act("break.up", () => this.#move(index), index > 0),
        act("break.remove", () => this.#remove(index), this.#block.items.length > 1)));
  }

  #remove(index) { this.#rearrange((list) => list.filter((_, i) => i !== index)); }

  #move(index) {
    this.#rearrange((list) => {
      const out = [...list];
      [out[index - 1], out[index]] = [out[index], out[index - 1]];
      return out;
    });
  }

  #rearrange(how) {
    this.#origins = how(this.#origins);
    this.#block = { ...this.#block, items: how(this.#block.items) };
    this.#drawItems();
    this.#refresh();
    this.#edited(this.#block);
  }

  // refresh puts the block's values into the inputs.
  #refresh() {
    for (const [path, { input }] of this.#inputs) {
      const text = textOf(this.#at(this.#block, path));
      if (input.value !== text) input.value = text;
    }
    this.#mark();
  }

  #at(block, path) {
    const [, index, name] = /^items\[(\d+)\]\.(\w+)$/.exec(path) ?? [];
    return name ? block.items[index]?.[name] : block[path];
  }

  #with(path, value) {
    const [, index, name] = /^items\[(\d+)\]\.(\w+)$/.exec(path) ?? [];
    if (!name) return { ...this.#block, [path]: value };
    const items = [...this.#block.items];
    items[index] = { ...items[index], [name]: value };
    return { ...this.#block, items };
  }

  #originalOf(path) {
    const [, index, name] = /^items\[(\d+)\]\.(\w+)$/.exec(path) ?? [];
    return name ? this.#origins[index][name] : this.#original[path];
  }

  // changes lists what is not as it was: {path, was, now}; path is "items" where
  // transactions were taken out or moved.
  changes() {
    const list = [];
    const note = (path, was, now) => { if ((was ?? null) !== (now ?? null)) list.push({ path, was: textOf(was), now: textOf(now) }); };
    const { items, ...header } = this.#original;
    if (this.#origins.length !== items.length || this.#origins.some((tx, i) => tx !== items[i])) list.push({ path: "items", was: items.length, now: this.#block.items.length });
    this.#block.items.forEach((tx, i) => {
      if (tx !== this.#origins[i]) Object.keys({ ...TX, ...KEY }).forEach((name) => note(`items[${i}].${name}`, this.#origins[i][name], tx[name]));
    });
    Object.keys(header).forEach((name) => note(name, header[name], this.#block[name]));
    return list;
  }

  #isOriginal(path) { return (this.#at(this.#block, path) ?? null) === (this.#originalOf(path) ?? null); }
}
