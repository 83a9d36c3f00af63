// A peer that follows the chain of a foxchain node, written from ledger/README.md and
// p2p/README.md alone: node follow.js MULTIADDR NETWORK.json
// It greets, answers what a peer must answer (that it holds nothing), asks for headers and bodies,
// learns of new blocks by gossip, and prints "height hash count" of each when it has verified header,
// proof of work, builder, signature and Merkle root. It does not check transactions, choose between
// branches by work, find nodes, pass on what it has, or take part in votes.
import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { gossipsub } from "@libp2p/gossipsub";
import { generateKeyPair } from "@libp2p/crypto/keys";
import { identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { decode, encode } from "cborg";
import { createLibp2p } from "libp2p";

// libp2p needs it, and Node.js has it from version 22 on.
Promise.withResolvers ??= () => { const r = {}; r.promise = new Promise((resolve, reject) => Object.assign(r, { resolve, reject })); return r; };
const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const unhex = (text) => Buffer.from(text.replaceAll("-", ""), "hex");
const number = (bytes, n) => Buffer.from(n.toString(16).padStart(2 * bytes, "0"), "hex");
const signed = (key, sig, ...parts) => verify(null, Buffer.concat(parts), createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(key).toString("base64url") }, format: "jwk" }), sig);

// The network: bytes in place of UUIDs and keys. cborg writes maps in the deterministic order.
const rules = JSON.parse(readFileSync(process.argv[3], "utf8")), bits = rules.bits ?? 16;
for (const list of ["issuers", "builders"]) if (rules[list]) rules[list] = rules[list].map(unhex).sort(Buffer.compare);
if (rules.credit) rules.credit = new Map(Object.entries(rules.credit).map(([account, n]) => [unhex(account), n]));
const network = sha256(encode(rules)), prefix = `/foxchain/2/${network.toString("hex")}`, greet = "/foxchain/hello/2";
const topics = ["tx", "block", "status", ...(rules.builders?.length <= 100 ? ["vote"] : [])].map((t) => `${prefix}/${t}`);

const key = await generateKeyPair("Ed25519"), instance = randomBytes(8).readBigUInt64BE(), started = Date.now();
let counter = 0;
async function hello() { // its status line is that of a node without blocks
  const line = encode([key.publicKey.raw, "js", "follow.js", instance, ++counter, Date.now() - started, 0, network, 0, false, 0, false, []]);
  return [network, rules.name, "js", encode([line, await key.sign(Buffer.concat([Buffer.from("foxchain status 1"), network, line]))])];
}
const short = (m) => Buffer.concat([number(2, encode(m).length), encode(m)]);
const frame = (kind, m) => Buffer.concat([number(4, m.length), Buffer.of(kind), m]);
async function read(stream, head, whole) { // all, or a message with its head
  let b = Buffer.alloc(0);
  for await (const part of stream) if ((b = Buffer.concat([b, part.subarray()])).length >= head && b.length >= head + whole(b)) break;
  return b;
}
async function exchange(protocol, message) {
  const stream = await node.dialProtocol(multiaddr(process.argv[2]), protocol);
  stream.send(message);
  await stream.close(); // for writing
  return read(stream, Infinity);
}
async function ask(kind, message) {
  const answer = await exchange(`${prefix}/sync`, frame(kind, encode(message)));
  if (answer[4] !== kind) throw new Error(`a request of kind ${kind} was answered with ${answer[4]}`);
  return decode(answer.subarray(5, 5 + answer.readUInt32BE()));
}
function digest([id, sender, receiver, amount, t, ...auth]) { // t is always nine bytes, which cborg writes only for fractions
  const float = Buffer.alloc(9, 0xfb);
  float.writeDoubleBE(t, 1);
  return sha256(Buffer.of(0x85 + auth.length), ...[id, sender, receiver, amount].map((v) => encode(v)), float, ...auth.map((v) => encode(v)));
}
function root(digests) {
  if (digests.length === 1) return sha256(Buffer.of(0), digests[0]);
  const k = 2 ** Math.floor(Math.log2(digests.length - 1));
  return sha256(Buffer.of(1), root(digests.slice(0, k)), root(digests.slice(k)));
}

const chain = []; // hashes
let following = Promise.resolve();
async function follow() {
  for (let headers = [0]; headers?.length > 0;) { // null: there are no more
    [headers] = await ask(2, [Buffer.concat([...chain.slice(-63).reverse(), network]), 2000]);
    for (const [header, signature] of (headers ?? []).map((b) => decode(b))) {
      const [version, height, parent, merkle, count, , work, builder] = header, hash = sha256(encode(header)), below = height === 0 ? network : chain[height - 1];
      const works = BigInt(`0x${hash.toString("hex")}`) >> BigInt(256 - bits) === 0n, mayBuild = !rules.builders || rules.builders.some((b) => b.equals(builder));
      if (version !== 1 || !below?.equals(parent) || work !== bits || !works || !mayBuild || !signed(builder, signature, Buffer.from("foxchain block 1"), network, hash)) throw new Error(`block ${height} is not valid`);
      const txs = [];
      while (txs.length < count) txs.push(...decode((await ask(3, [hash, txs.length]))[0]));
      if (!root(txs.map(digest)).equals(merkle)) throw new Error(`the body of block ${height} is another one's`);
      chain.splice(height, chain.length, hash);
      console.log(height, hash.toString("hex"), count);
    }
  }
}
const next = () => (following = following.then(follow).catch((e) => console.error(e.message)));

const gossip = gossipsub({ globalSignaturePolicy: "StrictNoSign", msgIdFn: (m) => sha256(Buffer.from(m.topic), m.data) });
const node = await createLibp2p({ privateKey: key, transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()], services: { identify: identify(), gossip } });
await node.handle(greet, async (stream) => { // the node greets as well
  await read(stream, 2, (b) => b.readUInt16BE());
  stream.send(short([await hello(), "", null]));
  await stream.close();
});
await node.handle(`${prefix}/sync`, async (stream) => { // it holds nothing, and says so
  const kind = (await read(stream, 5, (b) => b.readUInt32BE()))[4];
  const answer = { 1: [0, network, 0, instance, 0], 2: [[]], 6: [Buffer.alloc(0)], 7: [instance, Buffer.alloc(0), 0], 8: [[]] }[kind];
  stream.send(answer ? Buffer.concat([frame(kind, encode(answer)), kind === 1 ? number(8, Date.now()) : Buffer.alloc(0)]) : frame(0, Buffer.alloc(0)));
  await stream.close();
});
node.services.gossip.addEventListener("message", ({ detail }) => detail.topic === topics[1] && next());
topics.forEach((topic) => node.services.gossip.subscribe(topic));
const [, refused] = decode((await exchange(greet, short(await hello()))).subarray(2));
if (refused) throw new Error(refused);
await next();
setInterval(async () => (await ask(1, []))[1].some((b, i) => b !== (chain.at(-1) ?? network)[i]) && next(), 4000); // gossip may lose
