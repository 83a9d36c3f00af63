// The console: sends any message as it stands, over a connection of its own,
// and shows what comes back. So whatever one tries there, a subscription too,
// does not disturb the rest of the page.

import { byID, make } from "./dom.js";

const KEPT = 30;          // messages shown; the oldest goes first
const SHOWN = 64 * 1024;  // characters of one message

const account = (n) => `00000000-0000-0000-0000-${String(n).padStart(12, "0")}`;

// The original's ops first, then ours.
const examples = () => [
  ["send 3000 from the issuer to account …0001", { op: "merge", args: { pool: [{ sender: account(0), receiver: account(1), amount: 3000 }] } }],
  ["send, with id and t given", { op: "merge", args: { pool: [{ id: uuid(), sender: account(0), receiver: account(2), amount: 2000, t: Date.now() / 1000 }] } }],
  ["the pool", { op: "pool", args: { start: 0 } }],
  ["all blocks", { op: "blocks" }],
  ["the last block", { op: "blocks", args: { start: -1 } }],
  ["the peers", { op: "peers" }],
  ["register another node", { op: "register", args: { addr: "ws://localhost:9001/ws" } }],
  ["register several", { op: "register", args: { addr: ["ws://localhost:9001/ws", "ws://localhost:9002/ws"] } }],
  ["the node's clock", { op: "time" }],
  ["about this node", { op: "info" }],
  ["a block by height", { op: "block", args: { height: 0 } }],
  ["an account", { op: "account", args: { account: account(1) } }],
  ["a transaction's receipt", { op: "tx", args: { id: account(3) } }],
  ["a block to build", { op: "template" }],
  ["follow new blocks", { op: "subscribe", args: { events: ["block"], items: true } }],
];

// A page that does not come over https has no crypto.randomUUID.
function uuid() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = Array.from(b, (n) => n.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// startConsole makes the form work, and returns ask(message), which puts a
// message into it and sends it.
export function startConsole(url) {
  const form = byID("console"), box = byID("message"), choice = byID("example");
  const send = sender(url);

  examples().forEach(([title], i) => choice.append(new Option(title, i)));
  const fill = () => { box.value = JSON.stringify(examples()[choice.value][1], null, 2); };
  choice.addEventListener("change", fill);
  fill();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(box.value);
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return (message) => {
    box.value = JSON.stringify(message, null, 2);
    send(box.value);
    byID("console-section").scrollIntoView({ behavior: "smooth" });
  };
}

// sender opens a connection with the first message, and another when that ended.
function sender(url) {
  let ws, to;
  return (text) => {
    log("sent", text);
    if (!ws || ws.readyState > WebSocket.OPEN || to !== url()) {
      ws?.close();
      to = url();
      ws = open(to);
    }
    const socket = ws;
    if (socket.readyState === WebSocket.OPEN) socket.send(text);
    else socket.addEventListener("open", () => socket.send(text), { once: true });
  };
}

function open(url) {
  const ws = new WebSocket(url);
  ws.onmessage = ({ data }) => log("came", pretty(data));
  ws.onclose = ({ code, reason, wasClean }) => {
    log("said", wasClean ? `The node closed the connection: ${code} ${reason}` : "The connection was lost, or the node does not let this page in.");
  };
  return ws;
}

function pretty(text) {
  if (text.length > SHOWN) return text;
  try {
    return keepFloats(text);
  } catch {
    return text;
  }
}

// JSON.parse would show t: 5.0 as 5. So the text is indented as it came: outside
// of strings, brackets and commas begin a new line.
function keepFloats(text) {
  JSON.parse(text);
  let out = "", depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|\{\s*\}|\[\s*\]|[{}[\],:]|[^\s"{}[\],:]+/g)) {
    if (token === "{" || token === "[") { depth++; out += token + line(); }
    else if (token === "}" || token === "]") { depth--; out += line() + token; }
    else if (token === ",") out += token + line();
    else if (token === ":") out += ": ";
    else out += token;
  }
  return out;
}

function log(kind, text) {
  const replies = byID("replies");
  const more = text.length - SHOWN;
  const entry = make("pre", { className: kind }, more > 0 ? `${text.slice(0, SHOWN)}\n… and ${more} characters more` : text);
  replies.append(entry);
  while (replies.children.length > KEPT) replies.firstElementChild.remove();
  replies.scrollTop = entry.offsetTop - replies.offsetTop; // a long one is read from its beginning
}
