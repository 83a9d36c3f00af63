// The console: sends any message as it stands, over a connection of its own,
// and shows each reply beside its request. So whatever one tries there, a
// subscription too, does not disturb the rest of the page.

import { h } from "../dom.js";
import { randomUUID } from "../lib/bytes.js";
import { indent } from "../lib/indent.js";
import { issuer } from "../search.js";
import { card, copyButton } from "../ui.js";

const KEPT = 30;          // exchanges shown, and messages that can be called back
const SHOWN = 64 * 1024;  // characters of one message

const account = (n) => `00000000-0000-0000-0000-${String(n).padStart(12, "0")}`;

// The original's examples, and ours: [key of the title, message].
const ORIGINAL = (ctx) => [
  ["merge", { op: "merge", args: { pool: [{ id: account(1), sender: issuer(ctx), receiver: account(1), amount: 3000 }] } }],
  ["mergeMany", { op: "merge", args: { pool: [2, 3, 4].map((n) => ({ id: account(n), sender: issuer(ctx), receiver: account(n), amount: n * 1000 })) } }],
  ["pool", { op: "pool", args: { start: 0 } }],
  ["blocks", { op: "blocks", args: { start: 0 } }],
  ["lastBlocks", { op: "blocks", args: { start: -3 } }],
  ["peers", { op: "peers" }],
  ["register", { op: "register", args: { addr: "ws://localhost:9001/ws" } }],
  ["registerMany", { op: "register", args: { addr: ["ws://localhost:9001/ws", "ws://localhost:9002/ws"] } }],
  ["time", { op: "time" }],
];
const OURS = (ctx) => [
  ["sendNew", { op: "merge", args: { pool: [{ id: randomUUID(), sender: account(1), receiver: account(2), amount: 5, t: Date.now() / 1000 }] } }],
  ["info", { op: "info" }],
  ["tx", { op: "tx", args: { id: account(1) } }],
  ["block", { op: "block", args: { height: 0 } }],
  ["account", { op: "account", args: { account: account(1), limit: 10 } }],
  ["issuer", { op: "account", args: { account: issuer(ctx), limit: 10 } }],
  ["template", { op: "template", args: { max: 10 } }],
  ["subscribe", { op: "subscribe", args: { events: ["block"], items: true } }],
  ["unsubscribe", { op: "subscribe", args: { events: [] } }],
];

// What was sent stays while the page is open, so that another view, or another
// language, does not lose it.
const sent = [];

export function mount(el, ctx) {
  const { t } = ctx;
  const box = h("textarea", { id: "message", rows: 9, spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-describedby": "console-keys" });
  const log = h("ol", { class: "exchanges", id: "exchanges", "aria-label": t("console.exchanges"), "aria-live": "polite" });
  const wire = new Wire(ctx, log);
  let back = 0; // how far one went back in what was sent

  const example = ([name, message]) => h("button", {
    type: "button", class: "plain example",
    onclick: () => { put(JSON.stringify(message, null, 2)); box.focus(); },
  }, t(`console.${name}`));
  const form = h("form", { id: "console", class: "form", onsubmit: (event) => { event.preventDefault(); send(); } },
    h("fieldset", {}, h("legend", {}, t("console.original")), ORIGINAL(ctx).map(example)),
    h("fieldset", {}, h("legend", {}, t("console.ours")), OURS(ctx).map(example)),
    h("label", { for: "message" }, t("console.message")), box,
    h("p", { class: "with-buttons" },
      h("button", { type: "submit" }, t("console.send")),
      h("button", { type: "button", class: "plain", onclick: () => put(indent(box.value)) }, t("console.tidy")),
      h("button", { type: "button", class: "plain", onclick: () => log.replaceChildren() }, t("console.clear"))),
    h("small", { class: "faint", id: "console-keys" }, t("console.keys")));
  el.append(h("h1", { class: "unseen" }, t("page.console")),
    h("div", { class: "beside console" }, card(t("console.title"), h("p", { class: "faint" }, t("console.intro")), form), card(t("console.exchanges"), log)));
  put(sent[0] ?? JSON.stringify(ORIGINAL(ctx)[0][1], null, 2));

  box.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    if (event.key === "Enter") form.requestSubmit();
    else if (event.key === "ArrowUp") recall(1);
    else if (event.key === "ArrowDown") recall(-1);
    else return;
    event.preventDefault();
  });
  log.addEventListener("click", (event) => {
    const text = event.target.closest("button.again")?.dataset.message;
    if (text !== undefined) { put(text); box.focus(); }
  });

  function put(text) { box.value = text; back = 0; }

  function recall(step) {
    const to = back + step;
    if (to < 1 || to > sent.length) return;
    box.value = sent[to - 1];
    back = to;
  }

  function send() {
    const text = box.value;
    if (sent[0] !== text) sent.unshift(text);
    sent.length = Math.min(sent.length, KEPT);
    back = 0;
    wire.send(text);
  }

  return { update() {}, destroy() { wire.close(); } };
}

// A Wire sends over a connection of its own, made with the first message and
// again after it ended. Replies come in the order of the requests.
class Wire {
  #ctx;
  #log;
  #ws = null;
  #url = "";
  #waiting = []; // exchanges without a reply, oldest first

  constructor(ctx, log) {
    this.#ctx = ctx;
    this.#log = log;
  }

  close() {
    const ws = this.#ws;
    this.#ws = null;
    ws?.close();
  }

  send(text) {
    const url = this.#ctx.socketURL();
    if (!this.#ws || this.#ws.readyState > WebSocket.OPEN || url !== this.#url) this.#open(url);
    const ws = this.#ws;
    const exchange = new Exchange(this.#ctx, text);
    this.#waiting.push(exchange);
    this.#show(exchange.node);
    if (ws.readyState === WebSocket.OPEN) ws.send(text);
    else ws.addEventListener("open", () => ws.send(text), { once: true });
  }

  #open(url) {
    this.close();
    this.#giveUp(this.#ctx.t("console.closed"));
    const ws = this.#ws = new WebSocket(url);
    this.#url = url;
    ws.onmessage = ({ data }) => { if (ws === this.#ws) this.#take(data); };
    ws.onclose = ({ code, reason, wasClean }) => {
      if (ws !== this.#ws) return;
      const { t } = this.#ctx;
      this.#giveUp(wasClean ? t("console.closedBy", { code, reason }) : t("console.closed"));
    };
  }

  #giveUp(why) {
    this.#waiting.forEach((exchange) => exchange.fail(why));
    this.#waiting = [];
  }

  #take(text) {
    if (/^\{"event":/.test(text)) this.#show(eventNode(this.#ctx, text));
    else this.#waiting.shift()?.reply(text);
  }

  #show(node) {
    this.#log.prepend(node);
    while (this.#log.children.length > KEPT) this.#log.lastElementChild.remove();
  }
}

// An Exchange is a request and its reply, side by side.
class Exchange {
  #ctx;
  #sent = performance.now();
  #status = h("span", { class: "status" }, "…");
  #reply = h("div", { class: "reply" });

  constructor(ctx, message) {
    this.#ctx = ctx;
    const again = h("button", { type: "button", class: "plain again", "data-message": message }, ctx.t("console.again"));
    this.node = h("li", { class: "exchange" },
      h("div", { class: "request" }, h("p", { class: "exchange-head" }, opOf(message), again), messageNode(ctx, message)),
      h("div", {}, h("p", { class: "exchange-head" }, this.#status), this.#reply));
  }

  reply(text) {
    const { t } = this.#ctx;
    const status = /^\{"status":(\d+)/.exec(text)?.[1] ?? "";
    const took = Math.max(1, Math.round(performance.now() - this.#sent));
    this.#status.textContent = t("console.took", { status, took });
    this.#status.dataset.good = /^2/.test(status);
    this.#status.after(copyButton(text));
    this.#reply.replaceChildren(messageNode(this.#ctx, text));
  }

  fail(why) {
    this.#status.textContent = why;
    this.#status.dataset.good = false;
  }
}

const eventNode = (ctx, text) => h("li", { class: "exchange event" },
  h("div", {}, h("p", { class: "exchange-head" }, h("span", { class: "status" }, ctx.t("console.event")), copyButton(text)), messageNode(ctx, text)));

function messageNode({ t, fmt }, text) {
  const more = text.length - SHOWN;
  const shown = more > 0 ? text.slice(0, SHOWN) : indent(text);
  return h("pre", { tabindex: 0 }, shown, more > 0 && `\n${t("console.more", { count: fmt.number(more) })}`);
}

function opOf(message) {
  try {
    const { op } = JSON.parse(message);
    return h("strong", {}, typeof op === "string" ? op : "?");
  } catch {
    return h("strong", {}, "?");
  }
}
