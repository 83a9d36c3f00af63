// Checks proofs of payments and of builders that lied, as package ledger/proof does, whose
// doc has the format. A broken rule is a ProofError with the field and the rule's name.

import { sha256 } from "../vendor/noble-hashes/sha2.js";
import { concat, hex, unhex, utf8, uuidBytes } from "./bytes.js";
import { bytes, head } from "./encode.js";
import { accountOf, blockHash, blockMessage, digest, signed, txMessage, zeroBits } from "./hash.js";

export class ProofError extends Error {
  constructor(field, rule) {
    super(`${field}: ${rule}`);
    Object.assign(this, { field, rule });
  }
}

function need(ok, field, rule) {
  if (!ok) throw new ProofError(field, rule);
}

// The deterministic CBOR of rules and votes. Maps are Maps.
function cbor(v) {
  if (typeof v === "boolean") return Uint8Array.of(v ? 0xf5 : 0xf4);
  if (typeof v === "number") return head(0, v);
  if (typeof v === "string") return concat(head(3, utf8(v).length), utf8(v));
  if (v instanceof Uint8Array) return bytes(v);
  if (Array.isArray(v)) return concat(head(4, v.length), ...v.map(cbor));
  const pairs = [...v].map(([k, x]) => [cbor(k), cbor(x)]).sort(([a], [b]) => (hex(a) < hex(b) ? -1 : 1));
  return concat(head(5, pairs.length), ...pairs.flat());
}

// What a value must be, by its field: a function that gives it, or throws.
const as = (test) => (v, at) => (need(test(v), at, "form"), v);
const isHex = (n) => as((v) => typeof v === "string" && v.length === 2 * n && /^[0-9a-f]*$/.test(v));
const key = isHex(32), hash = isHex(32), signature = isHex(64);
const integer = as((v) => Number.isSafeInteger(v) && v >= 0);
const text = as((v) => typeof v === "string" && !/\p{Cs}/u.test(v)), truth = as((v) => typeof v === "boolean");
const account = as((v) => typeof v === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(v));
const seconds = as((v) => typeof v === "number" && v >= 0 && v < 1e11 && !Object.is(v, -0));
const maybe = (f) => (v, at) => (v === null ? v : f(v, at));
const list = (f) => (v, at) => (need(Array.isArray(v), at, "form"), v.map((x, i) => f(x, `${at}[${i}]`)));
const plain = as((v) => typeof v === "object" && v !== null && !Array.isArray(v));
const credit = (v, at) => (plain(v, at), Object.entries(v).forEach(([k, x]) => (account(k, `${at}.${k}`), integer(x, `${at}.${k}`))), v);

const object = (must, may = {}) => (v, at) => {
  const name = (k) => (at ? `${at}.${k}` : k);
  plain(v, at || "file");
  for (const k of Object.keys(must)) need(Object.hasOwn(v, k), name(k), "missing");
  for (const k of Object.keys(v)) {
    need(Object.hasOwn(must, k) || Object.hasOwn(may, k), name(k), "unknown");
    (must[k] ?? may[k])(v[k], name(k));
  }
  return v;
};

const isProof = object({
  version: integer, network_id: hash, index: integer, path: list(hash),
  network: object({ name: text }, { bits: integer, issuers: list(account), builders: list(key), keyed_only: truth, no_self_pay: truth, credit, credit_default: integer, max_unfinal: integer }),
  transaction: object({ id: account, sender: account, receiver: account, amount: integer, t: seconds }, { public_key: key, signature }),
  headers: list(object({ count: integer, prev_hash: maybe(hash), hash, version: integer, height: integer, time: integer, bits: integer, nonce: isHex(8), builder: key, root: hash, signature })),
}, {
  certificate: object({ kind: text, view: integer, parent: integer, height: integer, hash, signers: list(key), signatures: list(signature) }),
  tip: object({ height: integer, hash }),
});
const isEvidence = object({
  builder: key, name: text, kind: text, view: integer,
  votes: list(object({ kind: text, view: integer, parent: integer, height: integer, hash, signed: text, signature })),
});

const ISSUERS = ["00000000-0000-0000-0000-000000000000"];
const FIELDS = ["builder", "name", "kind", "view", "votes", "parent", "height", "hash", "signed", "signature"]; // in one order
const KINDS = ["notarize", "nullify", "finalize"];

export const MAX_SIZE = 8 << 20; // bytes of a file
const MAX_LIST = 4096, MAX_BITS = 40;

// once finds keys that an object has twice, of which JSON.parse takes the last.
function once(file) {
  const open = []; // the keys of each object that is open; null: a list
  let key = true; // what comes next in an object
  for (const [token] of file.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/g)) {
    if (token === "{" || token === "[") open.push(token === "{" ? new Set() : null);
    else if (token === "}" || token === "]") open.pop();
    else if (token[0] === '"' && key && open.at(-1)) {
      const name = JSON.parse(token);
      need(!open.at(-1).has(name), name, "twice");
      open.at(-1).add(name);
    }
    key = token === "{" || token === ",";
  }
}

// check gives {proven, doubts}, each a list of [word, values], of the text of a file.
export function check(file) {
  need(file.length <= MAX_SIZE && utf8(file).length <= MAX_SIZE, "file", "size");
  let v;
  try {
    v = JSON.parse(file.replace(/^\ufeff/, ""));
  } catch {
    throw new ProofError("file", "json");
  }
  once(file);
  plain(v, "file");
  if (!("evidence" in v) && !("votes" in v)) return checkProof(isProof(v, ""));
  const found = "evidence" in v ? object({ evidence: list(isEvidence) })(v, "").evidence : [isEvidence(v, "")];
  need(found.length > 0, "evidence", "empty");
  need(new Set(found.map((e) => JSON.stringify(e, FIELDS))).size === found.length, "evidence", "twice");
  const networks = new Set(), out = { proven: [], doubts: [] };
  found.forEach((e, i) => {
    const id = checkEvidence(e, `evidence[${i}]`);
    networks.add(id);
    const values = { builder: e.builder, name: e.name, view: e.view, network_id: id, a: voteOf(e.votes[0]), b: voteOf(e.votes[1]) };
    out.proven.push(["lie", values]);
    out.doubts.push(["member", values], ["intent", values], ["name", values]);
    if (i === 0) out.last = ["network", values];
  });
  need(networks.size === 1, "evidence", "network");
  out.doubts.splice(3, 0, out.last);
  return out;
}

const voteOf = (v) => [`vote_${v.kind}`, v];

const ascending = (list) => list.every((x, i) => i === 0 || list[i - 1] < x);
const isName = (name) => utf8(name).length <= 64 && name === name.normalize("NFC") && name === name.trim() && /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u.test(name);

// The rules that differ from the defaults are what the ID is made of.
function checkNetwork(p) {
  const { name, bits = 16, issuers = ISSUERS, builders = [], keyed_only = false, no_self_pay = false, credit: owes = {}, credit_default = 0, max_unfinal = 0 } = p.network;
  const defaults = { bits: 16, issuers: ISSUERS, builders: [], keyed_only: false, no_self_pay: false, credit: {}, credit_default: 0, max_unfinal: 0 };
  for (const [k, v] of Object.entries(p.network)) need(JSON.stringify(v) !== JSON.stringify(defaults[k]), `network.${k}`, "default");
  need(isName(name), "network.name", "form");
  need(bits <= MAX_BITS, "network.bits", "form");
  need(issuers.length > 0, "network.issuers", "empty");
  for (const [k, list] of Object.entries({ issuers, builders, credit: Object.keys(owes) })) need(list.length <= MAX_LIST, `network.${k}`, "empty");
  for (const [k, list] of Object.entries({ issuers, builders })) need(ascending(list), `network.${k}`, "order");
  for (const [a, n] of Object.entries(owes)) need(n !== credit_default && !issuers.includes(a), `network.credit.${a}`, "default");
  need(!max_unfinal || (builders.length >= 1 && builders.length <= 100), "network.max_unfinal", "quorum");
  const rules = new Map(Object.entries(p.network));
  if (p.network.issuers) rules.set("issuers", issuers.map(uuidBytes));
  if (p.network.builders) rules.set("builders", builders.map((k) => unhex(k, 32)));
  if (p.network.credit) rules.set("credit", new Map(Object.entries(owes).map(([a, n]) => [uuidBytes(a), n])));
  need(hex(sha256(cbor(rules))) === p.network_id, "network_id", "network_hash");
  return { id: p.network_id, name, bits, issuers, builders, keyed_only, no_self_pay };
}

function checkTransaction(tx, net) {
  const keyed = tx.sender[14] === "8" && /[89ab]/.test(tx.sender[19]);
  need(tx.amount > 0, "transaction.amount", "form");
  for (const k of ["public_key", "signature"]) need((k in tx) === keyed, `transaction.${k}`, keyed ? "missing" : "unknown");
  need(!net.no_self_pay || tx.sender !== tx.receiver, "transaction.receiver", "rules");
  need(!net.issuers.includes(tx.sender) || !net.issuers.includes(tx.receiver), "transaction.receiver", "rules");
  need(!net.keyed_only || keyed || net.issuers.includes(tx.sender), "transaction.sender", "rules");
  if (!keyed) return;
  need(accountOf(tx.public_key) === tx.sender, "transaction.public_key", "rules");
  need(signed(txMessage(net.id, tx), tx.signature, tx.public_key), "transaction.signature", "signature");
}

function checkHeaders(headers, net) {
  need(headers.length > 0 && headers.length <= 4096, "headers", "empty");
  headers.forEach((h, i) => {
    const below = headers[i - 1], field = (ok, name, rule) => need(ok, `headers[${i}].${name}`, rule);
    field(h.version === 1, "version", "rules");
    field((h.prev_hash === null) === (h.height === 0), "prev_hash", "link");
    field(!below || h.height === below.height + 1, "height", "link");
    field(!below || h.prev_hash === below.hash, "prev_hash", "link");
    field(h.count >= 1 && h.count <= 10000, "count", "rules");
    field(h.bits === net.bits, "bits", "rules");
    field(!net.builders.length || net.builders.includes(h.builder), "builder", "rules");
    field(blockHash({ ...h, parent: h.prev_hash ?? net.id }) === h.hash, "hash", "hash");
    field(zeroBits(h.hash) >= net.bits, "hash", "rules");
    field(signed(blockMessage(net.id, h.hash), h.signature, h.builder), "signature", "signature");
  });
}

// rootFrom is RFC 6962's: the path begins with the leaf's sibling.
function rootFrom(leaf, i, n, path) {
  if (n === 1) {
    need(path.length === 0, "path", "path");
    return sha256(concat(Uint8Array.of(0), leaf));
  }
  need(path.length > 0, "path", "path");
  const k = 2 ** Math.ceil(Math.log2(n) - 1), below = path.slice(0, -1), sibling = unhex(path.at(-1), 32);
  if (i < k) return sha256(concat(Uint8Array.of(1), rootFrom(leaf, i, k, below), sibling));
  return sha256(concat(Uint8Array.of(1), sibling, rootFrom(leaf, i - k, n - k, below)));
}

const quorum = (n) => n - Math.floor((n - 1) / 3);

const voteBytes = (net, v) => concat(utf8("foxchain vote 1"), unhex(net, 32), cbor([KINDS.indexOf(v.kind), v.view, v.parent, v.height, unhex(v.hash, 32)]));

function checkCertificate(c, net, last) {
  const n = net.builders.length;
  need(n >= 1 && n <= 100, "certificate", "unknown");
  need(c.kind === "finalize", "certificate.kind", "form");
  need(c.view > 0 && c.parent < c.view, "certificate.parent", "form");
  need(c.height === last.height, "certificate.height", "end");
  need(c.hash === last.hash, "certificate.hash", "end");
  need(c.signers.length >= quorum(n), "certificate.signers", "quorum");
  need(c.signatures.length === c.signers.length, "certificate.signatures", "quorum");
  c.signers.forEach((k, i) => {
    need(net.builders.includes(k) && (i === 0 || k > c.signers[i - 1]), `certificate.signers[${i}]`, "quorum");
    need(signed(voteBytes(net.id, c), c.signatures[i], k), `certificate.signatures[${i}]`, "signature");
  });
}

function checkProof(p) {
  need(p.version === 1, "version", "version");
  const net = checkNetwork(p), tx = p.transaction, first = p.headers[0], last = p.headers.at(-1);
  checkTransaction(tx, net);
  checkHeaders(p.headers, net);
  need(p.index < first.count, "index", "path");
  need(hex(rootFrom(unhex(digest(tx), 32), p.index, first.count, p.path)) === first.root, "path", "path");
  need(p.certificate || p.tip, "certificate", "missing");
  need(!p.certificate || !p.tip, "tip", "unknown");
  if (p.certificate) checkCertificate(p.certificate, net, last);
  else {
    need(p.tip.height === last.height, "tip.height", "end");
    need(p.tip.hash === last.hash, "tip.hash", "end");
  }
  return finding(p, net, first, last);
}

function finding(p, net, first, last) {
  const tx = p.transaction, of = net.builders.length, votes = of >= 1 && of <= 100;
  const person = (a) => (net.issuers.includes(a) ? ["issuer", { account: a }] : a);
  const values = {
    network_id: net.id, id: tx.id, sender: person(tx.sender), receiver: person(tx.receiver), amount: tx.amount, number: p.index + 1, count: first.count,
    height: first.height, hash: first.hash, end: last.height, end_hash: last.hash, blocks: p.headers.length,
    work: (BigInt(p.headers.length) << BigInt(net.bits)).toString(), of, need: quorum(of), liars: 2 * quorum(of) - of,
    signed: p.certificate?.signers.length, signers: p.certificate?.signers.join(", "),
  };
  const proven = ["payment", "place"], doubts = [];
  if ("public_key" in tx) proven.push("signed");
  else doubts.push("open_sender");
  proven.push(p.certificate ? "final" : "work");
  doubts.push(p.certificate ? "liars" : votes ? "not_final" : "open_network", "rules", "time", "network");
  const withValues = (list) => list.map((word) => [word, values]);
  return { proven: withValues(proven), doubts: withValues(doubts) };
}

// checkEvidence gives the network of both votes.
function checkEvidence(e, at) {
  need(e.votes.length === 2, `${at}.votes`, "form");
  const networks = e.votes.map((v, i) => {
    const field = (ok, name, rule) => need(ok, `${at}.votes[${i}].${name}`, rule), nullify = v.kind === "nullify";
    field(KINDS.includes(v.kind), "kind", "form");
    field(v.view > 0 && v.view === e.view, "view", "lie");
    field(nullify ? v.parent === 0 : v.parent < v.view, "parent", "form");
    field(!nullify || v.height === 0, "height", "form");
    field(nullify === /^0*$/.test(v.hash), "hash", "form");
    field(/^([0-9a-f]{2}){47,}$/.test(v.signed), "signed", "form");
    const net = v.signed.slice(30, 94);
    field(hex(voteBytes(net, v)) === v.signed, "signed", "hash");
    field(signed(unhex(v.signed, v.signed.length / 2), v.signature, e.builder), "signature", "signature");
    return net;
  });
  const [a, b] = e.votes, kinds = [a.kind, b.kind].sort().join();
  need(networks[0] === networks[1], `${at}.votes[1].signed`, "network");
  need(a.signed !== b.signed, `${at}.votes[1]`, "lie");
  need(a.kind === b.kind || kinds === "finalize,nullify", `${at}.votes[1].kind`, "lie");
  need(e.kind === (a.kind === b.kind ? a.kind : "nullify and finalize"), `${at}.kind`, "form");
  return networks[0];
}

// say gives the sentence of [word, values] in a language, of the words of package proof.
export function say(words, language, [word, values]) {
  return words[word][language].replace(/\{(\w+)\}/g, (_, name) => {
    const v = values[name];
    return Array.isArray(v) ? say(words, language, v) : String(v);
  });
}
