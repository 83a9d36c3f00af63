// The part of the form to send that signs. A key stays in this page: it is in no message
// to the node, and in the browser's storage only if the user asks for that. Who serves
// another page in place of this one gets the key, which the form says.

import { h } from "./dom.js";
import { kept } from "./kept.js";
import { keyText, newKey, readKey, signTx } from "./lib/keys.js";

const KEPT = "foxchain.key";

// While the page is open: the key, and whether it was made here, and may be nowhere else.
let held = null, made = false;

// mount gives {node, account(), sign(tx)}. changed is called after a key came or went.
export function mount(ctx, changed) {
  const { t, state } = ctx;
  if (!held && kept.get(KEPT)) {
    try {
      held = readKey(kept.get(KEPT));
    } catch { /* something else wrote there */ }
  }
  const part = h("div", { class: "signer" });
  const node = h("details", { id: "signer", open: held !== null }, h("summary", {}, t("sign.title")), part);
  draw();

  function hold(key, isNew = false) {
    held = key;
    made = isNew;
    if (!key) kept.set(KEPT, "");
    draw();
    changed();
  }

  function draw() {
    part.replaceChildren(...(held ? ready() : asked()));
  }

  function asked() {
    const input = h("textarea", {
      id: "sign-key", rows: 4, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
      placeholder: "-----BEGIN PRIVATE KEY-----", "aria-describedby": "sign-help sign-error",
    });
    const error = h("p", { class: "field-error", id: "sign-error", role: "alert" });
    const use = () => {
      try {
        hold(readKey(input.value));
      } catch ({ rule = "key", values }) {
        error.textContent = t(`rule.${rule}`, values);
        input.focus();
      }
    };
    return [
      h("div", { class: "entry" }, h("label", { for: "sign-key" }, t("sign.key")), input,
        h("small", { class: "faint", id: "sign-help" }, t("sign.help")), error),
      h("p", {}, h("button", { type: "button", class: "plain", id: "sign-use", onclick: use }, t("sign.use")), " ",
        h("button", { type: "button", class: "plain", id: "sign-new", onclick: () => hold(newKey(), true) }, t("sign.new"))),
    ];
  }

  function ready() {
    const keep = h("input", { type: "checkbox", id: "sign-keep", checked: Boolean(kept.get(KEPT)) });
    keep.addEventListener("change", () => kept.set(KEPT, keep.checked ? keyText(held) : ""));
    return [
      h("p", {}, t("sign.as"), " ", h("code", { id: "sign-account" }, held.account)),
      made && h("div", { class: "entry" }, h("label", { for: "sign-text" }, t("sign.save")),
        h("textarea", { id: "sign-text", rows: 4, readonly: true, spellcheck: "false" }, keyText(held))),
      h("p", {}, h("label", {}, keep, " ", t("sign.keep"))),
      h("p", {}, h("button", { type: "button", class: "plain", id: "sign-forget", onclick: () => hold(null) }, t("sign.forget"))),
    ].filter(Boolean);
  }

  return {
    node,
    account: () => held?.account,
    // The time is the node's, since a signature covers it.
    sign: (tx) => held ? signTx({ ...tx, t: tx.t ?? state.now() }, state.info.network.id, held) : tx,
  };
}
