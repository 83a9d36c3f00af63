// Making a block whole again, as far as anybody can: links and root are only
// arithmetic, work costs time, and a signature needs a key.

import { getPublicKey, sign, utils } from "../vendor/noble-ed25519/index.js";
import { sha256 } from "../vendor/noble-hashes/sha2.js";
import { hex, randomUUID, unhex } from "./bytes.js";
import { headerBytes, headerOf } from "./check.js";
import { blockHash, blockMessage, digest, legacyHash, root } from "./hash.js";

// relink gives the block with the links and the root that its transactions have.
export function relink(block) {
  let prev = null;
  const items = block.items.map((tx) => {
    const linked = { ...tx, prev_hash: prev };
    prev = legacyHash(tx, prev);
    return linked;
  });
  return { ...block, items, root: root(items.map(digest)) };
}

// rehash gives the block with the hash that its header has.
export const rehash = (block, network) => ({ ...block, hash: blockHash(headerOf(block, network)) });

const SLICE = 12; // milliseconds of search between two frames

// search looks for a nonce with which the block's hash begins with the
// network's zero bits, and gives the block with nonce and hash. It lets the page
// draw meanwhile; progress(tries) is told how far it is. It gives null when
// signal was aborted.
export async function search(block, network, progress, signal) {
  const bytes = headerBytes(block, network);
  const before = sha256.create().update(bytes.subarray(0, -8)); // the nonce is last
  const nonce = crypto.getRandomValues(new Uint8Array(8));
  const view = new DataView(nonce.buffer);
  let low = view.getUint32(4);
  const whole = network.bits >> 3, rest = network.bits & 7;
  for (let tries = 0; ;) {
    const until = performance.now() + SLICE;
    while (performance.now() < until) {
      for (let i = 0; i < 256; i++, tries++) {
        low = (low + 1) >>> 0;
        if (low === 0) view.setUint32(0, view.getUint32(0) + 1);
        view.setUint32(4, low);
        const sum = before.clone().update(nonce).digest();
        if (enough(sum, whole, rest)) {
          progress(tries + 1);
          return { ...block, nonce: hex(nonce), hash: hex(sum) };
        }
      }
    }
    progress(tries);
    await new Promise((resolve) => { setTimeout(resolve); });
    if (signal?.aborted) return null;
  }
}

function enough(sum, whole, rest) {
  for (let i = 0; i < whole; i++) if (sum[i] !== 0) return false;
  return rest === 0 || sum[whole] >> (8 - rest) === 0;
}

// newKey gives a key of one's own: {secret, builder}, where builder is the
// public key as blocks name it.
export function newKey() {
  const secret = utils.randomSecretKey();
  return { secret, builder: hex(getPublicKey(secret)) };
}

export const signBlock = (block, network, secret) =>
  ({ ...block, signature: hex(sign(blockMessage(network.id, block.hash), secret)) });

// sample makes a block for a page whose chain is still empty: valid in every
// check, on a network of its own that asks for little work.
export async function sample(signal) {
  const network = { id: hex(sha256(unhex("666f78", 3))), bits: 12 };
  const { secret, builder } = newKey();
  const account = (n) => `00000000-0000-0000-0000-${String(n).padStart(12, "0")}`;
  const now = Date.now();
  const items = [3000, 2000, 1000].map((amount, i) =>
    ({ id: randomUUID(), sender: account(0), receiver: account(i + 1), amount, t: now / 1000 - 3 + i, prev_hash: null }));
  const draft = { items, prev_hash: null, hash: "", version: 1, height: 0, time: now, bits: network.bits, nonce: "0".repeat(16), builder, root: "", signature: "" };
  const found = await search(relink(draft), network, () => {}, signal);
  return found && { block: signBlock(found, network, secret), network };
}
