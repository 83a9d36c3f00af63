// The page of a node. It subscribes to the node's events over the WebSocket at
// /ws and draws what they say; whatever it shows, the console's ops give too.
//
//   app.js      wires the parts together
//   live.js     the connection: events in, connects again when it is lost
//   state.js    what the events say so far, bounded
//   views.js    draws the state, at most once a frame
//   console.js  sends any message over a connection of its own
//   dom.js      small helpers; text from the network is only ever text
//
// There is no build step, and nothing is fetched from anywhere else.

import { startConsole } from "./console.js";
import { connect } from "./live.js";
import { State } from "./state.js";
import { draw, showLink, tick } from "./views.js";

const state = new State();
let ask = () => {};
let drawing = false;

// Events may come by the hundred; a frame draws them together.
function changed() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    draw(state, ask);
  });
}

ask = startConsole(socketURL);

const reconnect = connect(socketURL, {
  link: showLink,
  fresh: () => { state.reset(); },
  event: (kind, data) => { state.take(kind, data); changed(); },
});

addEventListener("hashchange", reconnect);
setInterval(() => tick(state), 1000);

// The token, where the node asks for one, stands behind the page's URL as
// #token=…: browsers do not send that part to anybody.
function socketURL() {
  const url = new URL("ws", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  url.hash = "";
  url.search = token ? new URLSearchParams({ token }) : "";
  return url.href;
}
