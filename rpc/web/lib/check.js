// What holds of a block, and what no longer does: every check that a node makes
// of a block by itself, and its links to the blocks around it. What needs the
// whole ledger (balances, IDs used before) is not checked here.

import { RuleError, isUUID } from "./bytes.js";
import { encodeHeader, headerFields, isKeyed, keyFields, txFields } from "./encode.js";
import { accountOf, blockHash, blockMessage, digest, legacyHash, root, signed, txMessage, zeroBits } from "./hash.js";

const SIGNATURES = 300; // of transactions, verified at once

// A Checker looks at one block again and again while it is edited: it keeps what
// it computed of transactions that did not change, which are the same objects
// then (whoever edits one makes a new one). network is {id, bits,
// builders}; around says what the neighbours claim: {below: the hash of the
// block below or the network's ID, above: the prev_hash of the block above or
// undefined}.
export class Checker {
  #network;
  #around;
  #known = new WeakMap(); // transaction -> {digest, bad, plain, signature}, see look
  #links = [];            // of the block looked at last: {tx, prev, link}

  constructor(network, around) {
    this.#network = network;
    this.#around = around;
  }

  // check gives {checks, digests, links, hash, root, ok}: checks by name, each
  // {ok, said, is} where `said` is what the block says and `is` what its parts
  // give; an array where there is one for each transaction. `is` is null where
  // a field is not even a value of its kind, and nothing can be computed.
  check(block) {
    const looks = block.items.map((tx) => this.#look(tx));
    const digests = looks.map((l) => l.digest);
    const links = this.#chain(block.items, looks);
    const merkle = digests.includes(null) ? null : root(digests);
    const hash = this.#hash(block, merkle);
    const checks = {
      fields: this.#fields(block, looks),
      links: this.#linked(block.items, links),
      txSignatures: this.#txSignatures(block.items),
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

  // What a transaction is by itself: its digest, the fields that break a rule,
  // and whether those that the original knew are all sound.
  #look(tx) {
    let look = this.#known.get(tx);
    if (!look) {
      const bad = broken(isKeyed(tx) ? { ...txFields, ...keyFields } : txFields, tx);
      look = { bad, digest: bad.length === 0 ? digest(tx) : null, plain: bad.every((b) => b.field in keyFields) };
      this.#known.set(tx, look);
    }
    return look;
  }

  // The link of each transaction, as the parts give it: a changed one changes
  // all that follow.
  #chain(items, looks) {
    const before = this.#links;
    let prev = null, whole = true;
    this.#links = items.map((tx, i) => {
      const old = before[i];
      whole &&= looks[i].plain;
      const link = old?.tx === tx && old.prev === prev && whole ? old.link : whole ? legacyHash(tx, prev) : null;
      const made = { tx, prev, link };
      prev = link;
      return made;
    });
    return this.#links.map((l) => l.link);
  }

  // Each transaction names the link of the one before it, the first one none.
  #linked(items, links) {
    return items.map((tx, i) => {
      const said = tx.prev_hash ?? null;
      if (i === 0) return { ok: said === null, said, is: "none" };
      return same(said, links[i - 1]);
    });
  }

  #fields(block, looks) {
    const bad = broken(headerFields, headerOf(block, this.#network));
    const { version, bits } = block;
    if (version !== 1) bad.push({ field: "version", rule: "version" });
    if (bits !== this.#network.bits) bad.push({ field: "bits", rule: "bits", values: { bits: this.#network.bits } });
    const { builders } = this.#network;
    if (builders?.length && !builders.includes(block.builder)) bad.push({ field: "builder", rule: "builder" });
    looks.forEach((look, i) => look.bad.forEach((b) => bad.push({ ...b, field: `items[${i}].${b.field}` })));
    bad.push(...twice(block.items));
    return { ok: bad.length === 0, bad };
  }

  // A signature takes a millisecond. Of a block with very many, those beyond the
  // bound are passed over, but every edited one is looked at.
  #txSignatures(items) {
    let left = SIGNATURES;
    return items.map((tx) => {
      const look = this.#known.get(tx);
      if (look.signature === undefined) look.signature = !isKeyed(tx) || left-- > 0 ? this.#txSignature(tx) : null;
      return look.signature ?? undefined;
    });
  }

  // A sender whose account is made from a key signs; another has no signature.
  #txSignature(tx) {
    if (!isUUID(tx.sender)) return { ok: false };
    const keyedSender = tx.sender[14] === "8" && /[89ab]/i.test(tx.sender[19]);
    if (!isKeyed(tx)) return keyedSender ? { ok: false } : null;
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

// broken lists the fields of a value that break a rule.
function broken(fields, value) {
  const bad = [];
  for (const [name, encode] of Object.entries(fields)) {
    try {
      encode(value[name]);
    } catch (e) {
      if (!(e instanceof RuleError)) throw e;
      bad.push({ field: name, rule: e.rule, values: e.values });
    }
  }
  return bad;
}

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
