// The hashes and signatures of the ledger, computed here in the browser from
// lib/encode.js. Hashes go in and out as hex.

import { verify, hashes } from "../vendor/noble-ed25519/index.js";
import { sha1 } from "../vendor/noble-hashes/legacy.js";
import { sha256, sha512 } from "../vendor/noble-hashes/sha2.js";
import { concat, hex, unhex, utf8, uuidText } from "./bytes.js";
import { encodeHeader, encodeOpen, encodeTx } from "./encode.js";
import { pythonText } from "./python.js";

hashes.sha512 = sha512; // what Ed25519 is made of; the library leaves the choice to its user

export const digest = (tx) => hex(sha256(encodeTx(tx)));

export const blockHash = (header) => hex(sha256(encodeHeader(header)));

export const legacyHash = (tx, prev) => hex(sha1(utf8(pythonText(tx, prev))));

// root is the Merkle tree hash of RFC 6962 section 2.1 over transaction digests.
export function root(digests) {
  if (digests.length === 0) return hex(sha256(new Uint8Array()));
  let level = digests.map((d) => sha256(concat(Uint8Array.of(0), unhex(d, 32))));
  // Pairing neighbours and carrying the odd one up gives the RFC's tree, whose
  // left part is the largest power of two.
  while (level.length > 1) {
    const next = [];
    for (let i = 0; i < level.length; i += 2) {
      next.push(i + 1 < level.length ? sha256(concat(Uint8Array.of(1), level[i], level[i + 1])) : level[i]);
    }
    level = next;
  }
  return hex(level[0]);
}

// zeroBits is how many zero bits a hash begins with.
export function zeroBits(hash) {
  const zeros = /^0*/.exec(hash)[0].length;
  return 4 * zeros + (zeros < hash.length ? Math.clz32(parseInt(hash[zeros], 16)) - 28 : 0);
}

// accountOf gives the account of a public key: 16 bytes of its SHA-256, as a
// UUID of version 8.
export function accountOf(publicKey) {
  const id = sha256(unhex(publicKey, 32)).slice(0, 16);
  id[6] = (id[6] & 0x0f) | 0x80;
  id[8] = (id[8] & 0x3f) | 0x80;
  return uuidText(id);
}

export const blockMessage = (network, hash) => concat(utf8("foxchain block 1"), unhex(network, 32), unhex(hash, 32));

export const txMessage = (network, tx) => concat(utf8("foxchain tx 1"), unhex(network, 32), encodeOpen(tx));

// signed reports whether a signature is its key's over a message. Go's rule and
// this one may differ for keys that nobody can make by the book, never for a
// signature that a node made.
export function signed(message, signature, publicKey) {
  try {
    return verify(unhex(signature, 64), message, unhex(publicKey, 32), { zip215: false });
  } catch {
    return false; // not a key, or not a signature
  }
}
