// The page of a node. It subscribes to the node's events over the WebSocket at
// /ws and draws what they say; whatever it shows, the console's ops give too.
//
//   app.js     routes, language, theme; wires the parts together
//   live.js    the connection: events in, questions answered, connects again
//   state.js   what the events say so far, bounded
//   views/*    one module for each view, loaded when it is first opened
//   search.js  the search box
//   signer.js  the part of the form to send that signs; a key never leaves the page
//   finality.js  what is final, in words; evidence.js, who broke the rules of voting
//   i18n.js, i18n/*  the texts, in two languages
//   statement.js  the statement of an account as a download
//   kept.js    language, theme and token in the browser, where it keeps site data
//   dom.js, ui.js, fmt.js  helpers; text from the network is only ever text
//   vendor/*   uPlot, for the charts
//
// A view exports mount(el, ctx), which fills el and returns {update(state),
// destroy()}. update is called after events, at most once a frame, and once a
// second, since ages are shown. ctx has
//
//   param             what follows the view's name in the route: #/block/HASH
//   state             see state.js
//   call(op, args)    asks the node; a promise of the whole reply, whatever its
//                     status, rejected when the connection is lost
//   t(key, values)    the text of a key in the page's language
//   go(route)         goes to another view: go("#/tx/" + id)
//   fmt               fmt.js
//   socketURL()       for a connection of one's own
//
// A change of language mounts the view anew; a change of route too, with
// another view or another param. There is no build step, and nothing is fetched
// from anywhere else.

import { byID, h } from "./dom.js";
import * as fmt from "./fmt.js";
import { language, retell, setLanguage, t } from "./i18n.js";
import { kept, keptInTab } from "./kept.js";
import { connect } from "./live.js";
import { mount as mountSearch } from "./search.js";
import { State } from "./state.js";

// The views, and under which entry of the navigation each is found.
const VIEWS = {
  home: "home", network: "network", chain: "chain", block: "chain", pool: "pool", tx: "pool",
  accounts: "accounts", account: "accounts", send: "send", break: "break", console: "console", help: "help",
};
const NAVIGATION = ["home", "network", "chain", "pool", "accounts", "send", "break", "console", "help"];
const TOKEN = "foxchain.token";

const state = new State();
let view = null;    // what the mounted module returned
let mounting = 0;   // rises; a module that comes late is not mounted
let link = { state: "waiting", why: "" };
let drawing = false;

takeToken();
const { call, again } = connect(socketURL, {
  link: (how, why) => { link = { state: how, why }; drawLink(); changed(); },
  fresh: () => { state.reset(); },
  event: (kind, data) => { state.take(kind, data); changed(); },
});
const ctx = { state, call, t, fmt, socketURL, go: (route) => { location.hash = route; } };

byID("language").addEventListener("click", () => {
  setLanguage(language() === "en" ? "zh" : "en");
  drawFrame();
  show();
});
byID("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  setTheme(dark === "dark" ? "light" : "dark");
});
byID("token").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byID("token-field");
  keptInTab.set(TOKEN, field.value.trim().replace(/^.*#token=/, "")); // the page's whole URL will do
  field.value = "";
  again();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // its #view is no route
  byID("view").focus();
});
setTheme(kept.get("foxchain.theme"));
addEventListener("hashchange", async () => {
  if (takeToken()) again();
  await show();
  if (document.activeElement?.matches("input, textarea")) return; // somebody types meanwhile
  (document.querySelector("#view h1") ?? byID("view")).focus();
});
setInterval(changed, 1000);
setInterval(ask, 5000);
drawFrame();
show();

// Events may come by the hundred; a frame draws them together.
function changed() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    view?.update(state);
    drawHead();
  });
}

// ask asks the node anything, so that it is seen when it hangs and the connection stays.
async function ask() {
  if (link.state !== "live" || state.askedAt) return;
  state.askedAt = performance.now();
  await call("time").catch(() => {});
  state.askedAt = 0;
}

function route() {
  const [name = "", param = ""] = location.hash.replace(/^#\/?/, "").split("/");
  return { name: VIEWS[name] ? name : "home", param: decode(param) };
}

// notLoaded stands for a view whose code did not come. Where the node was away, it is asked
// again when it is back.
function notLoaded(error) {
  let lost = link.state === "lost";
  return {
    mount: (el) => {
      el.append(h("p", { class: "notice" }, lost ? t("home.lost") : t("page.failed", { error: error.message })));
      return {
        update: () => {
          if (!lost || link.state !== "live") return;
          lost = false;
          show();
        },
      };
    },
  };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// show mounts the view of the route.
async function show() {
  const at = route(), turn = ++mounting;
  document.querySelectorAll("#navigation a").forEach((a) => {
    if (a.dataset.view === VIEWS[at.name]) {
      a.setAttribute("aria-current", "page");
      a.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else {
      a.removeAttribute("aria-current");
    }
  });
  let module;
  try {
    module = await import(`./views/${at.name}.js`);
  } catch (error) {
    module = notLoaded(error);
  }
  if (turn !== mounting) return;
  view?.destroy?.();
  const el = h("div", { class: `view view-${at.name}` });
  byID("view").replaceChildren(el);
  view = { update() {}, destroy() {}, ...module.mount(el, { ...ctx, param: at.param }) };
  view.update(state);
  drawHead();
}

// drawFrame puts the words of the language into what is around the view.
function drawFrame() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  document.querySelectorAll("[data-t]").forEach((node) => { node.textContent = t(node.dataset.t); });
  const theme = byID("theme");
  theme.title = t("page.theme");
  theme.setAttribute("aria-label", t("page.theme"));
  byID("language").lang = language() === "zh" ? "en" : "zh-CN";
  byID("navigation").replaceChildren(...NAVIGATION.map((name) =>
    h("a", { href: name === "home" ? "#/" : `#/${name}`, "data-view": name }, t(`page.${name}`))));
  mountSearch(byID("search"), ctx);
  drawLink();
  drawHead();
}

function drawHead() {
  const info = state.info;
  if (!info) return;
  const heading = document.querySelector("#view h1")?.textContent;
  document.title = [...(heading ? [heading] : []), info.name, info.network.name, "foxchain"].join(" · ");
  byID("name").textContent = info.name;
  byID("network").textContent = info.network.name;
}

function drawLink() {
  const { state: how, why } = link, form = byID("token"), notice = byID("notice"), asks = how === "token";
  byID("link").dataset.state = how;
  byID("link").textContent = t(how === "waiting" ? "page.connecting" : `page.${how}`);
  notice.textContent = how === "lost" || how === "refused" ? retell(why.trim()) : "";
  notice.hidden = notice.textContent === "";
  byID("token-title").textContent = asks ? t(`token.${why}`) : "";
  byID("token-field").setAttribute("aria-invalid", why === "wrong");
  byID("view").hidden = asks;
  if (asks && form.hidden) requestAnimationFrame(() => byID("token-field").focus());
  form.hidden = !asks;
}

function setTheme(name) {
  if (name !== "dark" && name !== "light") return;
  document.documentElement.dataset.theme = name;
  kept.set("foxchain.theme", name);
}

// The token, where the node asks for one, stands behind the page's URL as
// #token=…: browsers do not send that part to anybody. It is kept as long as
// the tab is open, and taken out of the address line.
function takeToken() {
  if (!location.hash.startsWith("#token=")) return false;
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  keptInTab.set(TOKEN, given);
  history.replaceState(null, "", "#/");
  return true;
}

function socketURL() {
  const url = new URL("ws", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const token = keptInTab.get(TOKEN);
  url.hash = "";
  url.search = token ? new URLSearchParams({ token }) : "";
  return url.href;
}
