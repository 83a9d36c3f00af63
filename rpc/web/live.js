// The connection that events come over.

const SUBSCRIBE = { op: "subscribe", args: { events: ["status", "peers", "block", "pool"], from: -20 } };
const FIRST_WAIT = 500, LONGEST_WAIT = 15_000; // milliseconds between two tries

// connect keeps a connection and calls
//   on.link(state, text)   "waiting", "live" or "lost", and why
//   on.fresh()             before the first event of a new connection
//   on.event(kind, data)   for every event
// It returns a function that connects anew at once.
export function connect(url, on) {
  let socket, timer, wait = FIRST_WAIT;

  function open() {
    clearTimeout(timer);
    const ws = socket = new WebSocket(url());
    let live = false;
    ws.onopen = () => ws.send(JSON.stringify(SUBSCRIBE));
    ws.onmessage = (message) => {
      if (ws !== socket) return;
      const m = JSON.parse(message.data);
      if (m.event !== undefined) {
        on.event(m.event, m.data);
      } else if (m.status === 200) {
        live = true;
        wait = FIRST_WAIT;
        on.fresh();
        on.link("live", "live");
      } else {
        on.link("lost", m.error);
      }
    };
    ws.onclose = async (close) => {
      if (ws !== socket) return;
      timer = setTimeout(open, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
      on.link("lost", close.reason || "no connection to the node");
      if (!live) {
        const why = await refusal(url());
        if (why && ws === socket && socket.readyState === WebSocket.CLOSED) on.link("lost", "not let in", why);
      }
    };
  }

  function again() {
    const old = socket;
    socket = undefined; // its events count no more
    old?.close();
    wait = FIRST_WAIT;
    on.link("waiting", "connecting…");
    open();
  }

  addEventListener("online", again);
  open();
  return again;
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
