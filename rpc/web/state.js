// What the events have said since the connection was made. Everything in it is
// bounded: the blocks here, the pool by the node, which tells of its first
// thousand entries.

import { callIssuers } from "./ui.js";

export const LAST_BLOCKS = 24;
const FINALS = 32; // what became final lately

export class State {
  constructor() { this.reset(); }

  reset() {
    this.info = null;       // response of the op "info"
    this.infoAt = 0;        // performance.now() when it came
    this.nodes = [];        // "nodes" of the op "peers": all other nodes
    this.links = [];        // its "links": pairs of places, 0 this node, n nodes[n-1]
    this.names = new Map(); // of builders: node key to name
    this.gone = new Map();  // of those that are not there: node key to when they last were, 0: not known
    this.former = [];       // nodes that were connected and are not known any more
    this.blocks = [];       // headers, newest first
    this.pool = new Map();  // by arrival number: {arrival, tx, waiting}
    this.poolSize = 0;
    this.poolWaiting = 0;
    this.finals = [];       // as info.final, lowest first
    this.askedAt = 0;       // performance.now() of the last question that is not answered
    this.stood = new Map(); // node ID: {tip, since}, since when (performance.now()) it is connected with its tip
    this.apart = new Map(); // node ID: since when (performance.now()) its tip is neither ours nor below it
  }

  take(kind, data) {
    switch (kind) {
      case "status":
        this.info = data;
        this.infoAt = performance.now();
        callIssuers(data.network.issuers);
        this.takeFinal(data.final);
        this.compareTips();
        break;
      case "peers":
        this.nodes = data.nodes ?? [];
        this.former = data.former ?? [];
        this.links = data.links ?? [];
        this.compareTips();
        break;
      case "block":
        this.takeBlock(data);
        this.compareTips();
        break;
      case "final":
        this.takeFinal(data);
        break;
      case "pool":
        this.takePool(data);
        break;
    }
    if (kind === "status" || kind === "peers") {
      this.names.clear();
      this.gone.clear();
      for (const n of [...this.former, ...this.nodes.filter((n) => n.node_key && n.name)]) {
        this.names.set(n.node_key, n.name);
        if (n.connected || n.state === "heard of") this.gone.delete(n.node_key);
        else this.gone.set(n.node_key, n.missing_since || n.seen);
      }
      if (this.info) this.names.set(this.info.node_key, this.info.name);
    }
  }

  takeFinal(final) {
    if (!final) return;
    const known = this.finals.find((f) => f.height === final.height);
    if (!known?.time) this.finals = [...this.finals.filter((f) => f !== known), final].sort((a, b) => a.height - b.height).slice(-FINALS);
    if (this.info?.voting) this.info.final = this.finals.at(-1); // events come before the status
  }

  // finalOf gives what made the block at a final height final: {final, exact}. Where the
  // page does not go back so far, exact is false, and the block may be final for longer.
  finalOf(height) {
    const at = this.finals.findIndex((f) => f.height >= height);
    return { final: this.finals[at], exact: this.finals[at].height === height || at > 0 };
  }

  // Blocks leave the chain highest first and join it lowest first.
  takeBlock({ change, block }) {
    if (change === "out") {
      this.blocks = this.blocks.filter((b) => b.hash !== block.hash);
      return;
    }
    this.blocks.unshift(block);
    this.blocks.length = Math.min(this.blocks.length, LAST_BLOCKS);
  }

  takePool({ size, waiting, added, changed, removed }) {
    this.poolSize = size;
    this.poolWaiting = waiting;
    for (const arrival of removed) this.pool.delete(arrival);
    for (const entry of added) this.pool.set(entry.arrival, entry);
    for (const { arrival, waiting } of changed) {
      const entry = this.pool.get(arrival);
      if (entry) this.pool.set(arrival, { ...entry, waiting });
    }
  }

  // Tips differ for a moment whenever a block is built, and for long where one is built
  // each second, since a node's status comes later. Only what stays, and is not one of
  // our last four blocks, counts. A node that has no more blocks than this one, and another
  // tip, has had it since ours came, so that a page just opened knows of a fork too.
  compareTips() {
    const before = this.apart, now = performance.now();
    this.apart = new Map();
    const ours = new Set(this.blocks.slice(0, 4).map((b) => b.hash));
    this.stood = new Map(this.nodes.filter((n) => n.connected).map((n) => [n.id, this.stood.get(n.id)?.tip === n.tip ? this.stood.get(n.id) : { tip: n.tip, since: now }]));
    for (const n of this.nodes) {
      if (!this.info || !n.seen || n.tip === this.info.tip || ours.has(n.tip)) continue;
      const lasted = n.blocks <= this.info.blocks ? 1000 * Math.max(0, this.now() - this.info.tip_since) : 0;
      this.apart.set(n.id, before.get(n.id) ?? now - lasted);
    }
  }

  // apartFor is for how many seconds a node had another tip, by its last status: what it
  // took since then, a node that was cut off does not know.
  apartFor(n) {
    const since = this.apart.get(n.id);
    return since === undefined ? 0 : (performance.now() - since) / 1000 - Math.max(0, this.now() - n.seen);
  }

  // stoodFor is for how many seconds a node has been connected with its tip, as far as
  // this page saw: one that was asleep takes blocks from now on.
  stoodFor(n) { return (performance.now() - (this.stood.get(n.id)?.since ?? performance.now())) / 1000; }

  // silent is for how many seconds the node has not answered a question.
  silent() { return this.askedAt ? (performance.now() - this.askedAt) / 1000 : 0; }

  // sinceStatus is how old info is, in seconds.
  sinceStatus() { return (performance.now() - this.infoAt) / 1000; }

  // now is the node's clock, in Unix seconds: ages are right though this
  // machine's clock is wrong.
  now() { return this.info ? this.info.time + this.sinceStatus() : Date.now() / 1000; }

  uptime() { return this.info ? this.info.uptime + this.sinceStatus() : 0; }
}
