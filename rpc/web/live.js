// The connection to the node: events come over it, and questions are answered.

const SUBSCRIBE = { op: "subscribe", args: { events: ["status", "peers", "block", "pool", "final"], from: -24, from_final: -24 } };
const STOPPING = "The node is stopping."; // no answer: the connection ends in a moment
const FIRST_WAIT = 500, LONGEST_WAIT = 15_000; // milliseconds between two tries

// connect keeps a connection and calls
//   on.link(state, why)   "waiting", "live", "lost" or "refused", with the node's words, or
//                         "token" when the node asks for it: why is "none" or "wrong"
//   on.fresh()            before the first event of a new connection
//   on.event(kind, data)  for every event
// It returns {call, again}: call(op, args) asks the node and gives its reply
// ({status, error, response…}), whatever its status; it is rejected when the
// connection ends before, or the node stops. again connects anew at once. A node that asks for its token is
// not asked again until then.
export function connect(url, on) {
  let socket, timer, wait = FIRST_WAIT;
  let asked = 0, last = ""; // the node's last words
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
        if (m.n === 1) on.fresh();
        on.event(m.event, m.data);
      } else if (m.id !== undefined) {
        const question = questions.get(m.id);
        questions.delete(m.id);
        if (m.error === STOPPING) question?.reject(new Error(m.error));
        else question?.resolve(m);
      } else if (m.status === 200) {
        live = true;
        wait = FIRST_WAIT;
        last = "";
        on.link("live", "");
      } else {
        last = m.error;
        on.link("refused", last); // such as to a token that may not read
      }
    };
    ws.onclose = async (close) => {
      if (ws !== socket) return;
      giveUp(close.reason || "the connection to the node was lost");
      last = close.reason || last;
      const refused = live ? null : await refusal(url());
      if (ws !== socket) return;
      on.link(refused?.state ?? "lost", refused?.why ?? last);
      if (refused?.state === "token") return;
      timer = setTimeout(start, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
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
    giveUp("the page connects again");
    wait = FIRST_WAIT;
    on.link("waiting", "");
    start();
  }

  addEventListener("online", again);
  start();
  return { call, again };
}

// A browser does not tell a page why its WebSocket was refused; asked over HTTP, the
// node does. refusal returns {state, why}, or null where it is not refused.
async function refusal(ws) {
  try {
    const token = new URL(ws).searchParams.get("token");
    const reply = await fetch("healthz", token ? { headers: { Authorization: `Bearer ${token}` } } : {});
    if (reply.status === 401) return { state: "token", why: token ? "wrong" : "none" };
    return reply.status === 403 || reply.status === 421 ? { state: "refused", why: await reply.text() } : null;
  } catch {
    return null; // the node is gone
  }
}
