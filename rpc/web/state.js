// What the events have said since the connection was made. Everything in it is
// bounded: the blocks here, the pool by the node, which tells of its first
// thousand entries.

export const LAST_BLOCKS = 20;

export class State {
  constructor() { this.reset(); }

  reset() {
    this.info = null;       // response of the op "info"
    this.infoAt = 0;        // performance.now() when it came
    this.nodes = [];        // "nodes" of the op "peers"
    this.blocks = [];       // headers, newest first
    this.pool = new Map();  // by arrival number: {arrival, tx, waiting}
    this.poolSize = 0;
    this.poolWaiting = 0;
  }

  take(kind, data) {
    switch (kind) {
      case "status":
        this.info = data;
        this.infoAt = performance.now();
        break;
      case "peers":
        this.nodes = data.nodes;
        break;
      case "block":
        this.takeBlock(data);
        break;
      case "pool":
        this.takePool(data);
        break;
    }
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

  // uptime is the node's, in seconds, by its own clock and ours since then.
  uptime() {
    return this.info ? this.info.uptime + (performance.now() - this.infoAt) / 1000 : 0;
  }
}
