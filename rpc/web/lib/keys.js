// Keys of accounts in the browser: read, made, and used to sign. Nothing here needs
// crypto.subtle, which a page at http://192.168.1.23:9000/ does not have.

import { getPublicKey, sign, utils } from "../vendor/noble-ed25519/index.js";
import { RuleError, hex, unhex } from "./bytes.js";
import { accountOf, txMessage } from "./hash.js";

// What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410).
const HEAD = "302e020100300506032b657004220420";

export function keyOf(secret) {
  const public_key = hex(getPublicKey(secret));
  return { secret, public_key, account: accountOf(public_key) };
}

export const newKey = () => keyOf(utils.randomSecretKey());

// readKey reads the text of a key's file, as foxchain keygen writes it. What is none is
// a RuleError that says why.
export function readKey(text) {
  const [, kind, body] = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/.exec(text) ?? [];
  if (kind === "AGE ENCRYPTED FILE") throw new RuleError("keyLocked");
  if (!kind) throw new RuleError(/-----BEGIN /.test(text) ? "keyCut" : "key");
  let der = "";
  try {
    der = hex(Uint8Array.from(atob(body.replace(/\s/g, "")), (c) => c.charCodeAt(0)));
  } catch { /* no base64 */ }
  if (kind !== "PRIVATE KEY" || !der.startsWith(HEAD) || der.length !== HEAD.length + 64) throw new RuleError("key");
  return keyOf(unhex(der.slice(HEAD.length), 32));
}

// keyText is the text of a key's file, which foxchain send --key reads.
export function keyText({ secret }) {
  const body = btoa(String.fromCharCode(...unhex(HEAD + hex(secret), 48)));
  return `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`;
}

// signTx gives a transaction of the key's account, signed for the network with that ID.
export function signTx(tx, network, key) {
  const open = { ...tx, sender: key.account };
  return { ...open, public_key: key.public_key, signature: hex(sign(txMessage(network, open), key.secret)) };
}
