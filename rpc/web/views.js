// Draws the state into the page.

import { byID, cell, duration, keyed, make, number, setText, short, shortUUID, show, time } from "./dom.js";

const SHOWN_POOL = 100, SHOWN_NODES = 200;

// showLink says how the connection is, and in a notice what to do where the
// node does not let the page in.
export function showLink(state, text, notice = "") {
  byID("link").dataset.state = state;
  setText("link", text);
  linkNotice = notice;
  showNotice();
}

let linkNotice = "", nodeNotice = "";

function showNotice() {
  const text = [linkNotice, nodeNotice].filter(Boolean).join("\n");
  setText("notice", text);
  show("notice", text !== "");
}

// draw shows the whole state; ask(message) puts a question to the console.
export function draw(state, ask) {
  if (state.info) drawNode(state.info);
  drawBlocks(state, ask);
  drawPool(state, ask);
  drawNodes(state);
  tick(state);
}

// tick shows what changes by itself.
export function tick(state) {
  if (state.info) setText("uptime", duration(state.uptime()));
}

function drawNode(info) {
  document.title = `${info.name} · ${info.network.name} · foxchain`;
  setText("name", info.name);
  setText("network", info.network.name);
  byID("network").title = `network ID ${info.network.id}`;
  setText("blocks", number(info.blocks));
  setText("peers", number(info.peers));
  setText("peer-id", info.peer_id);
  setText("ws", info.ws);
  setText("multiaddrs", reachable(info.multiaddrs).map((a) => `--peer ${a}`).join("\n") || "–");
  setText("tip", info.blocks ? `block ${info.blocks - 1}, ${info.tip}` : "none: the chain is empty");
  setText("builds", info.builds ? `this node builds, as ${info.node_key}` : "this node only follows");
  setText("version", info.version);
  nodeNotice = noticeOf(info);
  showNotice();
}

// reachable leaves out the addresses that only this machine can use, unless
// there are no others.
function reachable(multiaddrs) {
  const others = multiaddrs.filter((a) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(a));
  return others.length ? others : multiaddrs;
}

function noticeOf(info) {
  const lines = [];
  if (info.copied) lines.push(`This node is copied: ${info.copied}.`);
  if (info.deep_reorgs > 0) lines.push(`The chain was replaced more than 10 blocks deep, ${info.deep_reorgs} times since the node started.`);
  if (info.last_refusal) {
    const { time: t, remote, reason } = info.last_refusal;
    lines.push(`${number(info.refusals)} refused, last at ${time(t * 1000)} from ${remote}: ${reason}.`);
  }
  return lines.join("\n");
}

function drawBlocks({ blocks, info }, ask) {
  show("blocks-empty", blocks.length === 0);
  keyed("block-rows", blocks, (b) => ({
    key: b.hash,
    version: String(b.builder === info?.node_key),
    cells: () => [
      cell(number(b.height), "number"),
      question(short(b.hash), b.hash, () => ask({ op: "block", args: { hash: b.hash } })),
      cell(number(b.count), "number"),
      cell(time(b.time), "", "by the builder's clock"),
      cell(b.builder === info?.node_key ? "this node" : short(b.builder), "", b.builder),
    ],
  }));
}

function drawPool({ pool, poolSize, poolWaiting }, ask) {
  setText("pool", number(poolSize));
  show("pool-empty", poolSize === 0);
  const shown = [...pool.values()].slice(0, SHOWN_POOL);
  setText("pool-count", poolSize === 0 ? "" :
    `${number(poolSize)} in all, of which ${number(poolWaiting)} cannot be paid yet.` +
    (shown.length < poolSize ? ` The first ${shown.length} are shown.` : ""));
  keyed("pool-rows", shown, ({ arrival, tx, waiting }) => ({
    key: String(arrival),
    version: waiting ?? "",
    cells: () => [
      question(shortUUID(tx.id), tx.id, () => ask({ op: "tx", args: { id: tx.id } })),
      cell(shortUUID(tx.sender), "", tx.sender),
      cell(shortUUID(tx.receiver), "", tx.receiver),
      cell(number(tx.amount), "number"),
      waiting ? cell(`waiting: ${waiting}`, "wide faint") : cell("ready", "good"),
    ],
  }));
}

function drawNodes({ nodes }) {
  show("peers-empty", nodes.length === 0);
  show("peers-more", nodes.length > SHOWN_NODES);
  setText("peers-more", `The first ${SHOWN_NODES} of ${number(nodes.length)} are shown.`);
  keyed("peer-rows", nodes.slice(0, SHOWN_NODES), (n) => ({
    key: n.id || `registered ${n.registered[0]}`,
    version: JSON.stringify([n.name, n.state, n.reason, n.blocks, n.pool, n.latency_ms, n.ws, n.seen > 0]),
    cells: () => [
      cell(n.name || "–", "wide", n.id),
      make("td", { className: "wide" },
        make("span", { className: n.connected ? "good" : "bad" }, n.state),
        n.reason ? `: ${n.reason}` : ""),
      cell(n.seen ? number(n.blocks) : "–", "number", n.tip),
      cell(n.seen ? number(n.pool) : "–", "number"),
      cell(n.latency_ms ? `${n.latency_ms.toFixed(1)} ms` : "–", "number"),
      cell(n.ws || n.registered?.[0] || n.multiaddrs?.[0] || "–", "wide code", (n.multiaddrs ?? []).join("\n")),
    ],
  }));
}

function question(text, title, onclick) {
  return make("td", {}, make("button", { type: "button", className: "ask", title, onclick }, text));
}
