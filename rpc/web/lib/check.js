// What holds of a block, and what no longer does: every check that a node makes
// of a block by itself, and its links to the blocks around it. What needs the
// whole ledger (balances, IDs used before) is not checked here.

import { RuleError, isUUID } from "./bytes.js";
import { encodeHeader, headerFields, isKeyed, keyFields, txFields } from "./encode.js";
import { accountOf, blockHash, blockMessage, digest, legacyHash, root, signed, txMessage, zeroBits } from "./hash.js";

// A Checker looks at one block again and again while it is edited: it keeps the
// digests and links of transactions that did not change. network is {id, bits,
// builders}; around says what the neighbours claim: {below: the hash of the
// block below or the network's ID, above: the prev_hash of the block above or
// undefined}.
export class Checker {
  #network;
  #around;
  #digests = new Map(); // JSON of a transaction -> digest
  #links = new Map();   // JSON of a transaction, its place in the chain of links -> link

  constructor(network, around) {
    this.#network = network;
    this.#around = around;
  }

  // check gives {checks, digests, links, hash, root, ok}: checks by name, each
  // {ok, said, is} where `said` is what the block says and `is` what its parts
  // give; an array where there is one for each transaction. `is` is null where
  // a field is not even a value of its kind, and nothing can be computed.
  check(block) {
    const digests = block.items.map((tx) => this.#digest(tx));
    const links = this.#chain(block.items);
    const merkle = digests.includes(null) ? null : root(digests);
    const hash = this.#hash(block, merkle);
    const checks = {
      fields: this.#fields(block),
      links: this.#linked(block.items, links),
      txSignatures: block.items.map((tx) => this.#txSignature(tx)),
      root: same(block.root, merkle),
      hash: same(block.hash, hash),
      work: this.#work(hash),
      signature: this.#signature(block, hash),
      parent: same(block.prev_hash ?? this.#network.id, this.#around.below),
      next: this.#around.above === undefined ? undefined : same(this.#around.above, hash),
    };
    const ok = Object.values(checks).flat().every((c) => c === undefined || c.ok);
    return { checks, digests, links, hash, root: merkle, ok };
  }

  // The hash that the block has as it now is. Where the root that is written in
  // it and the root of its transactions differ, there are two headers, of which
  // at most one has the hash that the block claims: the other one is shown.
  #hash(block, merkle) {
    if (merkle === null) return null;
    const of = (root) => attempt(() => blockHash(headerOf({ ...block, root }, this.#network)));
    const given = of(merkle);
    return same(block.hash, given).ok ? of(block.root) : given;
  }

  #digest(tx) {
    return remember(this.#digests, JSON.stringify(tx), () => attempt(() => digest(tx)));
  }

  // The link of each transaction, as the parts give it: a changed one changes
  // all that follow.
  #chain(items) {
    let prev = null;
    return items.map((tx) => {
      const { prev_hash: _, ...rest } = tx;
      const link = prev === undefined || !validTx(tx) ? undefined
        : remember(this.#links, JSON.stringify([rest, prev]), () => legacyHash(tx, prev));
      prev = link;
      return link ?? null;
    });
  }

  // Each transaction names the link of the one before it, the first one none.
  #linked(items, links) {
    return items.map((tx, i) => {
      const said = tx.prev_hash ?? null;
      if (i === 0) return { ok: said === null, said, is: "none" };
      return same(said, links[i - 1]);
    });
  }

  #fields(block) {
    const bad = [];
    const note = (place, fields, value) => {
      for (const [name, encode] of Object.entries(fields)) {
        try { encode(value[name]); } catch (e) { bad.push({ field: place + name, rule: e.rule, values: e.values }); }
      }
    };
    note("", headerFields, headerOf(block, this.#network));
    const { version, bits } = block;
    if (version !== 1) bad.push({ field: "version", rule: "version" });
    if (bits !== this.#network.bits) bad.push({ field: "bits", rule: "bits", values: { bits: this.#network.bits } });
    const { builders } = this.#network;
    if (builders?.length && !builders.includes(block.builder)) bad.push({ field: "builder", rule: "builder" });
    block.items.forEach((tx, i) => note(`items[${i}].`, isKeyed(tx) ? { ...txFields, ...keyFields } : txFields, tx));
    bad.push(...twice(block.items));
    return { ok: bad.length === 0, bad };
  }

  // A sender whose account is made from a key signs; another has no signature.
  #txSignature(tx) {
    if (!isUUID(tx.sender)) return { ok: false };
    const keyedSender = tx.sender[14] === "8" && /[89ab]/i.test(tx.sender[19]);
    if (!isKeyed(tx)) return keyedSender ? { ok: false } : undefined;
    const ok = attempt(() => accountOf(tx.public_key) === tx.sender.toLowerCase() &&
      signed(txMessage(this.#network.id, tx), tx.signature, tx.public_key));
    return { ok: ok === true };
  }

  #work(hash) {
    const { bits } = this.#network;
    const is = hash === null ? null : zeroBits(hash);
    return { ok: is !== null && is >= bits, said: bits, is };
  }

  #signature(block, hash) {
    return { ok: hash !== null && signed(blockMessage(this.#network.id, hash), block.signature, block.builder) };
  }
}

// headerOf gives the header that a block's hash is made of. The count is not in
// the JSON: it is how many items there are.
export const headerOf = (block, network) => ({ ...block, parent: block.prev_hash ?? network.id, count: block.items.length });

export const headerBytes = (block, network) => encodeHeader(headerOf(block, network));

const validTx = (tx) => attempt(() => Object.entries(txFields).every(([name, encode]) => encode(tx[name]))) === true;

function twice(items) {
  const seen = new Map(), bad = [];
  items.forEach((tx, i) => {
    const key = `${tx.id} ${isKeyed(tx) ? tx.sender : ""}`;
    if (seen.has(key)) bad.push({ field: `items[${i}].id`, rule: "twice", values: { index: seen.get(key) + 1 } });
    else seen.set(key, i);
  });
  return bad;
}

const same = (said, is) => ({ ok: is !== null && typeof said === "string" && said.toLowerCase() === is, said, is });

function attempt(f) {
  try {
    return f();
  } catch (e) {
    if (e instanceof RuleError) return null; // a value that no field may have
    throw e;
  }
}

// A map of what was computed before, forgotten when it is large.
function remember(map, key, compute) {
  let value = map.get(key);
  if (value === undefined) {
    if (map.size > 30_000) map.clear();
    value = compute();
    map.set(key, value);
  }
  return value;
}
