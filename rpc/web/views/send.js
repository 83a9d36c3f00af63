// The form to send. What is wrong stands beside its field, whether the page
// finds it or the node; what was accepted is followed by its receipt.

import { h } from "../dom.js";
import { retell } from "../i18n.js";
import { RuleError, randomUUID } from "../lib/bytes.js";
import { txFields } from "../lib/encode.js";
import { kept } from "../kept.js";
import { explain } from "../lib/reason.js";
import { isIssuer, issuer } from "../search.js";
import { mount as mountSigner } from "../signer.js";
import { card, empty } from "../ui.js";
import { Receipt } from "./tx.js";

// Accounts that were used here, and those of keys, for the browser to suggest.
const KEPT = "foxchain.accounts", KEPT_OWN = "foxchain.ownAccounts";
const SUGGESTED = 20;

// mount shows the form; ctx.param, if any, is the sender.
export function mount(el, ctx) {
  const { t, call } = ctx;
  const after = h("div", {}, card(t("send.after"), empty(t("send.afterMore"))));
  const said = h("p", { class: "form-error", role: "alert" });
  const list = h("datalist", { id: "accounts" });
  const button = h("button", { type: "submit" }, t("send.send"));
  let receipt = null, gone = false;
  let attempt = null; // {body, tx} of what was sent last: the same again is the same transaction

  const sender = field("sender", { list: "accounts", value: ctx.param || "", autocomplete: "off" },
    shortcut("send.issuer", () => issuer(ctx)));
  const receiver = field("receiver", { list: "accounts", autocomplete: "off" },
    shortcut("send.new", randomUUID), shortcut("send.issuer", () => issuer(ctx)));
  const amount = field("amount", { inputmode: "numeric", autocomplete: "off" });
  const id = field("id", { autocomplete: "off", placeholder: t("send.made") }, shortcut("send.newID", randomUUID));
  const time = field("t", { inputmode: "decimal", autocomplete: "off", placeholder: t("send.stamped") });
  const fields = { sender, receiver, amount, id, t: time };
  const more = h("details", {}, h("summary", {}, t("send.more")), id.node, time.node);
  const signer = mountSigner(ctx, drawSender);
  const form = h("form", { class: "form", novalidate: true, onsubmit: submit, onfocusin: suggest },
    sender.node, receiver.node, amount.node, more, signer.node, said, h("p", {}, button), list);
  el.append(h("h1", { class: "unseen" }, t("page.send")),
    h("div", { class: "beside" }, card(t("send.title"), h("p", { class: "faint" }, t("send.intro")), form), after));
  suggest();
  if (signer.account()) drawSender();

  // With a key the sender is its account, and nothing else.
  function drawSender() {
    const account = signer.account();
    sender.input.readOnly = Boolean(account);
    sender.node.querySelector("button").disabled = Boolean(account);
    sender.input.value = account ?? "";
    sender.mark("");
    if (account) keep(KEPT_OWN, account);
    suggest();
  }

  function field(name, properties, ...shortcuts) {
    const input = h("input", { id: `send-${name}`, name, spellcheck: "false", autocapitalize: "off", "aria-describedby": `send-${name}-help send-${name}-error`, ...properties });
    const error = h("span", { class: "field-error", id: `send-${name}-error`, role: "alert" });
    input.addEventListener("input", () => mark(""));
    function mark(text) {
      error.textContent = text;
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
    const node = h("div", { class: "entry" },
      h("label", { for: input.id }, t(`send.${name}`)),
      h("div", { class: "with-buttons" }, input, shortcuts.map((make) => make(input))),
      h("small", { class: "faint", id: `send-${name}-help` }, t(`send.${name}.help`)), error);
    return { node, input, mark };
  }

  function shortcut(key, value) {
    return (input) => h("button", {
      type: "button", class: "plain",
      onclick: () => { input.value = value(); input.dispatchEvent(new Event("input")); input.focus(); },
    }, t(key));
  }

  // read gives the transaction that the form holds, or null after marking what
  // is wrong.
  function read() {
    const tx = {};
    let first = null;
    for (const [name, { input, mark }] of Object.entries(fields)) {
      if ((name === "sender" || name === "receiver") && isIssuer(input.value.trim())) input.value = issuer(ctx);
      const text = input.value.trim();
      mark("");
      if (text === "" && (name === "id" || name === "t")) continue;
      try {
        if (text === "") throw new RuleError("given");
        tx[name] = name === "amount" || name === "t" ? numberOf(text) : text.toLowerCase();
        txFields[name](tx[name]);
      } catch (error) {
        mark(t(`rule.${error.rule}`, error.values));
        first ??= input;
      }
    }
    const issuers = ctx.state.info?.network.issuers ?? [];
    if (!first && issuers.includes(tx.sender) && issuers.includes(tx.receiver)) {
      receiver.mark(t("rule.issuers"));
      first = receiver.input;
    }
    show(first);
    return first ? null : tx;
  }

  function show(input) {
    if (!input) return;
    if (more.contains(input)) more.open = true;
    input.focus();
  }

  async function submit(event) {
    event.preventDefault();
    said.textContent = "";
    const tx = read();
    if (!tx || button.disabled) return;
    if (signer.account() && !ctx.state.info) {
      said.textContent = t("send.lost");
      return;
    }
    // Whoever presses twice, or again after the connection was lost, sends one
    // transaction: the ID stays until something else is in the form or it was accepted.
    const body = JSON.stringify(tx);
    if (attempt?.body !== body) attempt = { body, tx: signer.sign({ ...tx, id: tx.id ?? randomUUID() }) };
    const sent = attempt.tx;
    button.disabled = true;
    const reply = await call("merge", { pool: [sent] }).catch(() => null);
    button.disabled = false;
    if (reply === null) said.textContent = t("send.lost");
    else take(reply, sent);
  }

  function take(reply, tx) {
    if (gone) return;
    if (reply.status !== 202) return refuse(reply);
    attempt = null;
    keep(KEPT, tx.receiver, tx.sender);
    suggest();
    amount.input.value = id.input.value = time.input.value = "";
    receipt?.destroy();
    receipt = new Receipt(ctx, tx.id);
    receipt.update(ctx.state);
    after.replaceChildren(card(t("send.accepted"), receipt.node, receipt.told, h("p", {}, h("a", { href: `#/tx/${tx.id}` }, t("send.open")))));
    after.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  // refuse puts the node's reason beside the field that it names.
  function refuse({ error, refused }) {
    const [, name, rule] = /^pool\[0\]\.(\w+): (.*)$/s.exec(error) ?? [];
    const own = fields[name] ?? (/^(public_key|signature)$/.test(name) ? sender : null);
    if (own) {
      own.mark(own === sender && name !== "sender" && !signer.account() ? t("send.keyed") : rule);
      show(own.input);
    } else if (refused) {
      said.textContent = t("send.refused", { reason: explain(refused[0].reason, ctx) });
    } else {
      said.textContent = t("send.refused", { reason: retell(error) });
    }
  }

  function suggest() {
    const known = new Map(); // account: what it is
    const note = (accounts, key) => accounts.forEach((id) => known.has(id) || known.set(id, t(key)));
    note([issuer(ctx)], "send.issuer");
    note(suggestions(KEPT_OWN), "send.own");
    note(suggestions(KEPT), "send.used");
    list.replaceChildren(...[...known].slice(0, SUGGESTED).map(([value, label]) => h("option", { value, label })));
  }

  return {
    update(state) { receipt?.update(state); },
    destroy() { gone = true; receipt?.destroy(); },
  };
}

function numberOf(text) {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function suggestions(name) {
  try {
    const list = JSON.parse(kept.get(name) ?? "[]");
    return Array.isArray(list) ? list.filter((v) => typeof v === "string") : [];
  } catch {
    return []; // something else wrote there
  }
}

function keep(name, ...accounts) {
  kept.set(name, JSON.stringify([...new Set([...accounts, ...suggestions(name)])].slice(0, SUGGESTED)));
}
