// The page of the lab. It draws the state that comes by server-sent events, and whatever
// is done on it is one command line, which the page sends and shows.
//
//   app.js      events in, commands out; language and theme
//   network.js  the drawing: nodes, links, the line that cuts, what travels
//   layout.js   where nodes stand, and which links a line crosses
//   menu.js     the menus of a node and of a link, and the other forms
//   chains.js   which block is on which branch, and the strips
//   txs.js      where each transaction is
//   lesson.js   lessons and the log
//   texts.js    the texts in English and Chinese
//   node/*      the modules of the page of a node
//
// Each part exports a function that is given ctx, and returns {update(state)}, which is
// called in a frame of its own. ctx has do(line), which sends a command, and menu(…).

import "./texts.js"; // before all that shows a text
import { mount as mountChains, ranges, settle } from "./chains.js";
import { sides } from "./layout.js";
import { mount as mountLesson, mountLog, words } from "./lesson.js";
import { mount as mountMenu } from "./menu.js";
import { mount as mountNetwork } from "./network.js";
import { byID, setText } from "./node/dom.js";
import { language, setLanguage, t } from "./node/i18n.js";
import { kept } from "./node/kept.js";
import { mount as mountTxs } from "./txs.js";

let state = null, link = "waiting", parts = [];
let drawn = null, left = [], fresh = false; // the state that is drawn, the parts that are still to, and whether more came
const log = mountLog(byID("log-lines"));

const ctx = { do: send };

byID("language").addEventListener("click", () => {
  setLanguage(language() === "en" ? "zh" : "en");
  frame();
});
byID("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  setTheme(dark === "dark" ? "light" : "dark");
});
byID("command").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byID("command-field");
  if (field.value.trim() && await send(field.value.trim())) field.value = "";
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byID("network").focus();
});
matchMedia("(max-width: 40rem)").addEventListener("change", changed); // a phone has shorter words
setTheme(kept.get("foxchain.theme"));
frame();

const events = new EventSource("events"); // which connects again by itself
events.addEventListener("open", () => { log.clear(); setLink("live"); });
events.addEventListener("error", () => setLink("lost"));
events.addEventListener("log", (event) => { log.add(JSON.parse(event.data)); changed(); });
events.addEventListener("state", (event) => { state = JSON.parse(event.data); changed(); });

// send does one command line, and shows it with what came of it.
async function send(line) {
  const outcome = byID("outcome");
  outcome.className = "";
  outcome.textContent = t("lab.sending", { line });
  let error = "";
  try {
    const reply = await fetch("do", { method: "POST", body: line });
    const refused = (await reply.json()).error;
    error = refused ? words(refused) : "";
  } catch (e) {
    error = t("lab.gone", { error: e.message });
  }
  outcome.className = error ? "bad" : "";
  outcome.textContent = error ? t("lab.refused", { line, error }) : t("lab.sent", { line });
  return !error;
}

// frame puts the words of the language into the page, and draws all parts anew.
function frame() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  document.querySelectorAll("[data-t]").forEach((node) => { node.textContent = t(node.dataset.t); });
  document.title = t("lab.title");
  byID("theme").title = t("page.theme");
  byID("theme").setAttribute("aria-label", t("page.theme"));
  byID("language").lang = language() === "zh" ? "en" : "zh-CN";
  ctx.menu = mountMenu(byID("menu"), ctx);
  parts = [ctx.menu, mountNetwork(ctx), mountLesson(byID("lesson"), ctx), mountChains(byID("strips")), mountTxs(byID("txs-table"), ctx), log]; // the menu first: what is drawn can be pressed
  setLink(link);
  left = []; // the parts before draw no more
  if (state) for (const part of parts) part.update(state);
  changed();
}

// Events may come by the dozen: they are drawn together, and one part in a frame, so that
// no frame has much to do. What comes meanwhile is drawn after the last part.
function changed() {
  fresh = true;
  if (state && left.length === 0) round();
}

function round() {
  [fresh, drawn] = [false, state];
  settle(drawn.blocks); // all parts have the colours of branches
  left = [{ update: summarise }, ...parts];
  requestAnimationFrame(step);
}

function step() {
  left.shift()?.update(drawn);
  if (left.length) requestAnimationFrame(step);
  else if (fresh) round();
  else document.body.dataset.drawn = drawn.time;
}

// summarise says in one line which nodes run, which cannot reach each other, and whether
// all have one chain.
function summarise(state) {
  const runs = (n) => n.state === "running", run = state.nodes.filter(runs), off = state.nodes.filter((n) => !runs(n)).map((n) => n.id);
  const apart = sides(run, state.links.filter((l) => l.up && !l.cut)).map(ranges), tips = new Set(run.map((n) => n.tip));
  setText(byID("summary"), [
    t("lab.run", { run: run.length, of: state.nodes.length }) + (off.length ? t("lab.off", { off: ranges(off) }) : ""),
    apart.length > 1 ? t("lab.split", { sides: apart.join(" | ") }) : "",
    tips.size > 1 ? t("lab.apart", { tips: tips.size }) : tips.has("") || !run.length ? "" : t("lab.agree"),
  ].filter(Boolean).join(" · "));
  byID("summary").className = apart.length > 1 || tips.size > 1 ? "warn" : "";
}

function setLink(how) {
  link = how;
  byID("link").dataset.state = how;
  byID("link").textContent = t(how === "lost" ? "lab.lost" : how === "waiting" ? "page.connecting" : "page.live");
}

function setTheme(name) {
  if (name !== "dark" && name !== "light") return;
  document.documentElement.dataset.theme = name;
  kept.set("foxchain.theme", name);
}
