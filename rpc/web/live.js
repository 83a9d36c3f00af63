// The connection to the node: events come over it, and questions are answered.

const SUBSCRIBE = { op: "subscribe", args: { events: ["status", "peers", "block", "pool"], from: -24 } };
const FIRST_WAIT = 500, LONGEST_WAIT = 15_000; // milliseconds between two tries

// connect keeps a connection and calls
//   on.link(state, key, why)  "waiting", "live" or "lost", its text's key, and the node's words
//   on.fresh()                before the first event of a new connection
//   on.event(kind, data)      for every event
// It returns {call, again}: call(op, args) asks the node and gives its reply
// ({status, error, response…}), whatever its status; it is rejected when the
// connection ends before. again connects anew at once.
export function connect(url, on) {
  let socket, timer, wait = FIRST_WAIT;
  let asked = 0;
  let open = []; // questions asked while there is no connection
  const questions = new Map(); // by id

  function start() {
    clearTimeout(timer);
    const ws = socket = new WebSocket(url());
    let live = false;
    ws.onopen = () => {
      ws.send(JSON.stringify(SUBSCRIBE));
      open.forEach((text) => ws.send(text));
      open = [];
    };
    ws.onmessage = (message) => {
      if (ws !== socket) return;
      const m = JSON.parse(message.data);
      if (m.event !== undefined) {
        on.event(m.event, m.data);
      } else if (m.id !== undefined) {
        questions.get(m.id)?.resolve(m);
        questions.delete(m.id);
      } else if (m.status === 200) {
        live = true;
        wait = FIRST_WAIT;
        on.fresh();
        on.link("live", "page.live");
      } else {
        on.link("lost", "page.lost", m.error);
      }
    };
    ws.onclose = async (close) => {
      if (ws !== socket) return;
      timer = setTimeout(start, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
      giveUp(close.reason || "the connection to the node was lost");
      on.link("lost", "page.lost", close.reason);
      if (!live) {
        const why = await refusal(url());
        if (why && ws === socket && socket.readyState === WebSocket.CLOSED) on.link("lost", "page.refused", why);
      }
    };
  }

  function giveUp(reason) {
    for (const { reject } of questions.values()) reject(new Error(reason));
    questions.clear();
    open = [];
  }

  function call(op, args = {}) {
    return new Promise((resolve, reject) => {
      const id = ++asked;
      questions.set(id, { resolve, reject });
      const text = JSON.stringify({ op, args, id });
      if (socket?.readyState === WebSocket.OPEN) socket.send(text);
      else open.push(text);
    });
  }

  function again() {
    const old = socket;
    socket = undefined; // its events count no more
    old?.close();
    giveUp("the page connects anew");
    wait = FIRST_WAIT;
    on.link("waiting", "page.connecting");
    start();
  }

  addEventListener("online", again);
  start();
  return { call, again };
}

// A browser does not tell a page why its WebSocket was refused; asked over
// HTTP, the node does.
async function refusal(ws) {
  try {
    const token = new URL(ws).searchParams.get("token");
    const reply = await fetch("healthz", token ? { headers: { Authorization: `Bearer ${token}` } } : {});
    return reply.status === 403 || reply.status === 421 ? await reply.text() : "";
  } catch {
    return ""; // the node is gone
  }
}
