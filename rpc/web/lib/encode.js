// The deterministic CBOR (RFC 8949 section 4.2.1, floats always nine bytes) of
// transactions and headers, as package ledger writes it: everything that is
// hashed or signed is made of these bytes. Fields are as in JSON; a value that
// no transaction or header may have is a RuleError.

import { RuleError, concat, unhex, uuidBytes } from "./bytes.js";

const UINT = 0, BYTES = 2, ARRAY = 4; // major types

// head gives a data item's head with its argument in the shortest form.
export function head(major, n) {
  const top = major << 5;
  if (n < 24) return Uint8Array.of(top | n);
  if (n < 2 ** 8) return Uint8Array.of(top | 24, n);
  const out = new Uint8Array(n < 2 ** 16 ? 3 : n < 2 ** 32 ? 5 : 9);
  const view = new DataView(out.buffer);
  out[0] = top | (out.length === 3 ? 25 : out.length === 5 ? 26 : 27);
  if (out.length === 3) view.setUint16(1, n);
  else if (out.length === 5) view.setUint32(1, n);
  else view.setBigUint64(1, BigInt(n));
  return out;
}

export const bytes = (b) => concat(head(BYTES, b.length), b);

function uint(n, least, most) {
  if (!Number.isInteger(n) || n < least || n > most) throw new RuleError("integer", { least, most });
  return head(UINT, n);
}

function seconds(t) {
  if (typeof t !== "number" || !(t >= 0 && t < 1e11) || Object.is(t, -0)) {
    throw new RuleError("seconds");
  }
  const out = new Uint8Array(9);
  out[0] = 0xfb;
  new DataView(out.buffer).setFloat64(1, t);
  return out;
}

const MAX = Number.MAX_SAFE_INTEGER; // 2^53-1

// How each field becomes bytes, in the order of the array.
export const txFields = {
  id: (v) => bytes(uuidBytes(v)),
  sender: (v) => bytes(uuidBytes(v)),
  receiver: (v) => bytes(uuidBytes(v)),
  amount: (v) => uint(v, 1, MAX),
  t: seconds,
};

export const keyFields = {
  public_key: (v) => bytes(unhex(v, 32)),
  signature: (v) => bytes(unhex(v, 64)),
};

// parent is what JSON calls prev_hash, with the network's ID for null.
export const headerFields = {
  version: (v) => uint(v, 0, 255),
  height: (v) => uint(v, 0, MAX),
  parent: (v) => bytes(unhex(v, 32)),
  root: (v) => bytes(unhex(v, 32)),
  count: (v) => uint(v, 0, 2 ** 32 - 1),
  time: (v) => uint(v, 0, MAX),
  bits: (v) => uint(v, 0, 255),
  builder: (v) => bytes(unhex(v, 32)),
  nonce: (v) => bytes(unhex(v, 8)),
};

function array(fields, value) {
  const names = Object.keys(fields);
  return concat(head(ARRAY, names.length), ...names.map((name) => fields[name](value[name])));
}

export const isKeyed = (tx) => tx.public_key != null || tx.signature != null;

// encodeOpen is what a keyed sender signs: the transaction without its key.
export const encodeOpen = (tx) => array(txFields, tx);

export const encodeTx = (tx) => array(isKeyed(tx) ? { ...txFields, ...keyFields } : txFields, tx);

export const encodeHeader = (header) => array(headerFields, header);
