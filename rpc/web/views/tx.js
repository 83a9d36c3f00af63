// A transaction's receipt in words: waiting and why, in block n with k
// confirmations, final or not and why, given back by a reorg, gone and why. It follows
// the node.

import { h, setText } from "../dom.js";
import { isFinal, standing } from "../finality.js";
import { retell } from "../i18n.js";
import { explain } from "../lib/reason.js";
import { accountLink, blockLink, card, code, download, whole } from "../ui.js";

const AGAIN = 10_000; // milliseconds between two connections: a node that is full closes the oldest that is silent

// mount shows the transaction with the ID ctx.param.
export function mount(el, ctx) {
  const { t } = ctx;
  const receipt = new Receipt(ctx, ctx.param);
  el.append(h("h1", { class: "unseen" }, t("tx.title")),
    card(t("tx.title"), receipt.node, receipt.told));
  return { update: (state) => receipt.update(state), destroy: () => receipt.destroy() };
}

// A Receipt asks for one transaction again whenever the node's pool or tip has
// changed, and draws the answer when it is another than before.
export class Receipt {
  #ctx;
  #id;
  #asked = "";     // what the node looked like when it was last asked
  #asking = false;
  #drawn = "";
  #wasIn = null;   // the block that it was in when last seen in one
  #back = null;    // the block that it was given back by
  #gone = false;
  #tx;             // as the node has it; undefined where it has none
  #all = false;    // all peers have it, by a block of theirs too: nothing new is to come
  #followed = -Infinity; // when #way was opened (performance.now())
  #way;            // the connection over which events tell how it comes to the peers

  constructor(ctx, id) {
    this.#ctx = ctx;
    this.#id = id.toLowerCase();
    this.told = h("div", { class: "told", "aria-live": "polite" });
    this.node = h("div", { class: "receipt", "aria-live": "polite" }, h("p", { class: "empty" }, ctx.t("page.loading")));
  }

  destroy() {
    this.#gone = true;
    if (this.#way?.readyState === WebSocket.OPEN) this.#way.close();
  }

  // The page's own connection has one subscription, of what all views need. This one is
  // opened anew after it was lost.
  #follow() {
    const closed = (this.#way?.readyState ?? WebSocket.CLOSED) === WebSocket.CLOSED;
    if (!this.#tx || !closed || this.#all || performance.now() - this.#followed < AGAIN) return;
    this.#followed = performance.now();
    const { id, sender } = this.#tx;
    const way = this.#way = new WebSocket(this.#ctx.socketURL());
    way.onopen = () => (this.#gone ? way.close() : way.send(JSON.stringify({ op: "subscribe", args: { events: ["told"], id, sender } })));
    way.onmessage = ({ data }) => {
      const { event, data: told } = JSON.parse(data);
      if (event !== "told" || this.#gone) return;
      this.#drawTold(told);
      this.#all = this.#wasIn !== null && told.peers.length > 0 && told.peers.every((p) => p.had !== null);
      if (this.#all) way.close();
    };
  }

  update(state) {
    const { info } = state;
    if (!info) return;
    this.#sayFinal();
    this.#sayNext();
    this.#follow();
    const look = [info.tip, info.next_arrival, info.pool, info.waiting, info.expired, info.final?.height].join();
    if (look === this.#asked || this.#asking) return;
    this.#asked = look;
    this.#ask();
  }

  async #ask() {
    this.#asking = true;
    const reply = await this.#ctx.call("tx", { id: this.#id }).catch(() => null);
    this.#asking = false;
    if (reply === null) this.#asked = ""; // the connection was lost: asked again when it is back
    else if (!this.#gone) this.#take(reply);
  }

  #take(reply) {
    const found = reply.status === 200 ? reply.response : null;
    const block = found?.block ?? null;
    this.#all &&= block !== null;
    this.#tx = found?.tx;
    this.#follow();
    if (this.#wasIn && block?.hash !== this.#wasIn.hash) this.#back = this.#wasIn;
    this.#wasIn = block ?? null;
    const { age: _, ...rest } = found ?? {};
    const look = JSON.stringify(found ? [rest, block && isFinal(this.#ctx.state, block.height)] : reply.error);
    if (look === this.#drawn) return;
    this.#drawn = look;
    this.node.dataset.state = found?.state ?? "unknown";
    this.node.replaceChildren(...(found ? this.#draw(found) : this.#unknown(reply)));
  }

  #unknown(reply) {
    const { t } = this.#ctx;
    if (reply.status !== 404) return [h("p", { class: "outcome bad" }, retell(reply.error))];
    return [
      h("p", { class: "outcome" }, t("tx.unknown")),
      code(this.#id),
      h("p", { class: "faint" }, t("tx.unknownWhy")),
    ];
  }

  #draw(found) {
    const { t } = this.#ctx;
    return [
      steps(found, this.#ctx),
      ...this.#verdict(found),
      this.#fields(found.tx),
      found.others && h("p", { class: "faint" }, t("tx.others", { count: found.others.length })),
      found.others?.map((other) => h("div", { class: "other" }, ...this.#verdict(other), this.#fields(other.tx))),
    ].flat().filter(Boolean);
  }

  #verdict(found) {
    const { t, fmt } = this.#ctx;
    const say = (look, text, more) => [
      h("p", { class: `outcome ${look}` }, text),
      this.#back && found.state !== "confirmed" && h("p", { class: "outcome-why" }, t("tx.back", { height: fmt.number(this.#back.height) })),
      more && h("p", { class: found.state === "pooled" ? "outcome-why next" : "outcome-why" }, more),
    ];
    const reason = found.reason && explain(found.reason, this.#ctx);
    switch (found.state) {
      case "waiting":
        return say("warn", t("tx.waiting", { reason }), t("tx.waitingMore"));
      case "pooled":
        return say("warn", t("tx.pooled"), nextBlock(this.#ctx));
      case "gone":
        return say("bad", t("tx.gone", { reason }), t("tx.goneMore", { time: fmt.time(found.time * 1000) }));
    }
    const { block, confirmations } = found, final = isFinal(this.#ctx.state, block.height);
    const values = { above: fmt.number(confirmations - 1), height: fmt.number(block.height), count: fmt.number(confirmations), place: fmt.number(block.index + 1) };
    return [
      ...say(final === false ? "warn" : "good", t(final !== null ? "tx.inBlock" : confirmations === 1 ? "tx.confirmedOnce" : "tx.confirmed", values)),
      h("p", { class: `finality ${final ? "good" : final === null ? "outcome-why" : "warn"}`, "data-height": block.height }, standing(this.#ctx.state, block.height)),
      final === null && h("p", { class: "outcome-why" }, t(confirmations < 3 ? "tx.notFinal" : "tx.settled")),
      h("p", {}, blockLink(block.hash, t("tx.openBlock", values)), " · ", h("a", { href: `#/break/${block.hash}` }, t("tx.break"))),
      this.#proof(found.tx),
    ];
  }

  // When each peer was sent the transaction, and by when it had it.
  #drawTold({ here, peers }) {
    const { t, fmt } = this.#ctx;
    const after = (at) => (here === null ? fmt.time(at * 1000) : at < here ? t("told.before")
      : t("told.after", { time: at - here < 10 ? `${Math.round((at - here) * 1000)} ms` : fmt.duration(at - here) }));
    const words = (p) => [p.told !== null && t("told.told", { when: after(p.told) }),
      p.had === null ? t("told.unknown") : t(`told.${p.by}`, { when: after(p.had) })].filter(Boolean).join(t("told.and"));
    this.told.replaceChildren(...(peers.length === 0 ? [] : [h("h3", {}, t("told.title")),
      h("ul", { class: "plain-list" }, peers.map((p) => h("li", {}, h("strong", {}, p.name || p.id.slice(-8)), ": ", words(p))))]));
  }

  // What proves the payment without a node, and where anybody checks that.
  #proof({ id, sender }) {
    const { t, call } = this.#ctx, said = h("span", { class: "bad", role: "alert" });
    const button = h("button", { type: "button", class: "plain proof", onclick: async () => {
      const reply = await call("proof", { id, sender }).catch(() => null);
      said.textContent = reply?.status === 200 ? "" : reply ? retell(reply.error) : t("search.lost");
      if (reply?.status === 200) download(`${JSON.stringify(reply.response, null, 2)}\n`, `proof-${id}.json`, "application/json");
    } }, t("tx.proof"));
    return h("p", {}, button, " ", h("a", { href: "verify" }, t("page.verify")), " ", said);
  }

  #sayNext() {
    for (const p of this.node.querySelectorAll(".next")) setText(p, nextBlock(this.#ctx));
  }

  // Who is there, and on how many nodes a block is, changes while the receipt stays.
  #sayFinal() {
    for (const p of this.node.querySelectorAll(".finality")) setText(p, standing(this.#ctx.state, Number(p.dataset.height)));
  }

  #fields(tx) {
    const { t, fmt } = this.#ctx;
    const rows = [
      ["id", code(tx.id)],
      ["sender", whole(accountLink(tx.sender), tx.sender)],
      ["receiver", whole(accountLink(tx.receiver), tx.receiver)],
      ["amount", h("strong", {}, fmt.number(tx.amount))],
      ["t", `${fmt.time(tx.t * 1000)} (${tx.t})`],
      tx.prev_hash && ["prev_hash", code(tx.prev_hash)],
      tx.public_key && ["public_key", code(tx.public_key)],
      tx.signature && ["signature", code(tx.signature)],
    ].filter(Boolean);
    return h("dl", { class: "facts" }, rows.flatMap(([name, value]) =>
      [h("dt", {}, t(`tx.${name}`)), h("dd", {}, value, h("small", { class: "faint" }, t(`tx.${name}.help`)))]));
  }
}

// nextBlock says how many transactions of the next block are there and when it comes, as
// far as this node's builder decides.
function nextBlock({ t, fmt, state }) {
  const { payable, block_txs: of, max_wait: wait, oldest_payable: oldest } = state.info;
  if (!of) return t("tx.nextOther");
  const left = wait && oldest !== null ? oldest + wait - state.now() : wait, n = Math.min(payable, of);
  if (payable >= of || wait && left <= 0) return t("tx.nextNow", { n, of });
  return wait ? t("tx.next", { n, of, time: fmt.duration(Math.ceil(left)) }) : t("tx.nextMore", { n, of, more: of - payable });
}

// steps draws how far a transaction has come. The last step is that its block is final,
// or where nothing is, that another block follows it.
function steps(found, { t, state }) {
  const final = found.block ? isFinal(state, found.block.height) : state.info.voting ? false : null;
  const at = { gone: 0, waiting: 1, pooled: 1, confirmed: (final ?? found.confirmations > 1) ? 3 : 2 }[found.state];
  const names = found.state === "gone" ? ["accepted", "left"] : ["accepted", found.state === "waiting" ? "waits" : "pool", "block", final === null ? "deep" : "final"];
  const reached = found.state === "gone" ? 1 : at;
  return h("ol", { class: "steps", "aria-label": t("tx.steps") }, names.map((name, i) =>
    h("li", { "data-step": i < reached ? "done" : i === reached ? "now" : "to", "aria-current": i === reached ? "step" : null }, t(`tx.step.${name}`))));
}
