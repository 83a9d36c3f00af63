// The network: a row for every node that is known or heard of, and who is
// connected to whom.

import { lettersOf } from "../color.js";
import { h, keyed, setText } from "../dom.js";
import { drawing } from "../graph.js";
import { network, standing, why } from "../health.js";
import { retell } from "../i18n.js";
import { blockLink, card, copyButton, swatch, table, titled } from "../ui.js";

const SHOWN = 200; // rows at most
const LAGS = 10;   // seconds after which a node whose last block is another lags

export function mount(el, ctx) {
  const { t, fmt } = ctx;
  const about = h("div", { id: "network-about", role: "status" });
  const picture = drawing(ctx);
  const columns = [
    { title: t("network.name") }, { title: t("network.state") }, { title: t("network.blocks"), class: "number" },
    { title: t("network.tip") }, { title: t("network.pool"), class: "number" }, { title: t("network.peers"), class: "number" },
    { title: t("network.lag"), class: "number" }, { title: t("network.seen"), class: "number" }, { title: t("network.builds") },
  ];
  const wall = table(columns);
  wall.body.id = "node-rows";
  const more = h("p", { class: "faint" });
  const legend = h("ul", { class: "legend", id: "tips" });
  let letters = new Map();
  el.append(h("h1", {}, t("page.network")), about,
    card(t("network.wall"), wall.node, more),
    card(t("network.drawing"), picture.node, legend, h("p", { class: "faint" }, t("network.drawingWhy"))));

  function update(state) {
    if (!state.info) return;
    const all = nodesOf(state);
    const live = all.filter((n) => n.live);
    const tips = new Set(live.filter((n) => n.tip).map((n) => n.tip));
    letters = lettersOf(state.info.tip, [...tips]);
    // Whenever a block is built, tips differ for a moment.
    const reasons = network(state).map((r) => t(r.key, r.values));
    const lines = reasons.length > 0 ? reasons : [t(tips.size === 1 ? "network.about" : "network.aboutNew", { nodes: live.length })];
    keyed(about, lines, (text) => ({ key: text, version: "", make: () => h("p", {}, text) }));
    about.className = reasons.length > 0 ? "warn" : tips.size === 1 ? "good" : "faint";
    const rows = all.slice(0, SHOWN);
    keyed(wall.body, rows, (n) => ({
      key: n.key,
      version: JSON.stringify([n.self, n.name, n.state, n.reason, n.blocks, n.tip, n.pool, n.peers, n.latency, n.builds, n.live, n.ws, n.behind, n.detail, n.missing, n.clock, letters.get(n.tip)]),
      make: () => row(n),
    }));
    // Ages change each second: the rows stay, and with them the focus.
    [...wall.body.children].forEach((tr, i) => {
      setText(tr.querySelector(".age"), age(state, rows[i]));
      const gone = tr.querySelector(".gone-for");
      if (gone) setText(gone, t("network.gone", { time: fmt.duration(Math.max(0, state.now() - rows[i].missing)) }));
    });
    more.hidden = all.length <= SHOWN;
    more.textContent = t("network.more", { n: all.length - SHOWN });
    keyed(legend, [...letters], ([tip, letter]) => {
      const nodes = live.filter((n) => n.tip === tip);
      return { key: tip, version: `${letter}${nodes.length}`, make: () => h("li", {}, swatch(tip, nodes[0].blocks - 1, letter), nodes[0].blocks ? blockLink(tip) : "–", " ", t("network.has", { nodes: nodes.length })) };
    });
    picture.update(state, all, letters);
  }

  const age = (state, n) => (n.self ? t("network.itself") : n.seen ? fmt.ago(state.now() - n.seen) : "–");

  function row(n) {
    const dot = h("i", { class: `dot ${n.self ? "good" : standing(n)}` });
    const name = n.ws && !n.self
      ? h("a", { href: pageOf(n.ws), rel: "noreferrer", target: "_blank", title: t("network.open") }, n.name || n.id.slice(-8))
      : h("span", {}, n.name || n.registered || n.id.slice(-8) || n.addr || "–");
    const stateWords = n.self ? t("network.self") : t(`network.is.${n.state}`);
    return titled(columns, h("tr", { class: n.live ? "" : "gone", "data-node": n.id, "data-tip": n.tip },
      h("td", { class: "wide", title: n.id }, dot, name, n.id ? copyButton(n.id) : null),
      h("td", { class: "wide" }, stateWords.startsWith("network.") ? n.state : stateWords,
        n.missing ? h("span", { class: "gone-for" }, "") : null, n.reason && !n.clock ? t("network.because", { reason: n.reason }) : "",
        n.clock ? h("small", { class: "clock" }, t(n.clock > 0 ? "network.ahead" : "network.late", { time: fmt.duration(Math.abs(n.clock)) })) : null,
        n.detail ? h("details", {}, h("summary", {}, t("network.detail")), n.detail) : null,
        n.live ? null : forgetButton(n)),
      h("td", { class: "number" }, n.tip ? fmt.number(n.blocks) : "–", n.behind > 0 ? h("small", { class: "warn" }, ` −${fmt.number(n.behind)}`) : null),
      h("td", { class: "tip" }, n.tip ? [swatch(n.tip, n.blocks - 1, letters.get(n.tip)), n.blocks ? blockLink(n.tip) : "–"] : "–"),
      h("td", { class: "number" }, n.tip ? fmt.number(n.pool) : "–"),
      h("td", { class: "number" }, n.peers || n.self ? fmt.number(n.peers) : "–"),
      h("td", { class: "number" }, n.latency ? `${n.latency.toFixed(1)} ms` : "–"),
      h("td", { class: "number age" }),
      h("td", {}, n.builds ? t("network.yes") : "–")));
  }

  function forgetButton(n) {
    const said = h("small", { class: "bad", role: "alert" });
    const button = h("button", { type: "button", class: "plain forget", title: t("network.forgetWhy") }, t("network.forget"));
    button.addEventListener("click", async () => {
      button.disabled = true;
      const reply = await ctx.call("forget", { node: n.id || n.registered || n.addr }).catch((error) => ({ status: 0, error: error.message }));
      button.disabled = false;
      said.textContent = reply.status === 202 ? "" : retell(reply.error);
    });
    return [button, said];
  }

  return { update };
}

const byName = new Intl.Collator(undefined, { numeric: true });

// nodesOf gives this node and all others in one form, in the order of the rows.
function nodesOf(state) {
  const { info } = state, now = state.now();
  const best = Math.max(info.blocks, ...state.nodes.filter((n) => n.connected).map((n) => n.blocks));
  const self = {
    key: info.peer_id, index: 0, id: info.peer_id, self: true, live: true, connected: true, name: info.name, state: "", reason: "", blocks: info.blocks,
    tip: info.tip, pool: info.pool, peers: info.peers, latency: 0, seen: now, builds: info.builds, ws: info.ws, behind: best - info.blocks,
  };
  const others = state.nodes.map((n, i) => ({
    key: n.id || n.registered?.[0] || n.multiaddrs?.[0] || `place ${i}`, index: i + 1, id: n.id, self: false, live: n.connected || n.state === "heard of",
    missing: n.missing_since ?? 0, detail: n.detail ?? "", clock: n.clock ?? 0, addr: n.multiaddrs?.[0] ?? "",
    connected: n.connected, name: n.name, registered: n.registered?.[0] ?? "", state: n.state, reason: why(n), blocks: n.blocks, tip: n.seen ? n.tip : "",
    pool: n.pool, peers: n.peers, latency: n.latency_ms, seen: n.seen, builds: n.builds, ws: n.ws,
    behind: n.seen && state.apartFor(n) > LAGS ? best - n.blocks : 0,
  })).filter((n) => n.state !== "itself");
  // Those to look at come first, then those that are there.
  const rank = (n) => (standing(n) === "warn" ? 0 : n.live ? 1 : 2);
  others.sort((a, b) => rank(a) - rank(b) || byName.compare(a.name, b.name) || (a.key < b.key ? -1 : 1));
  return [self, ...others];
}

const pageOf = (ws) => (/^wss?:\/\/[^\s]+\/ws$/.test(ws) ? ws.replace(/^ws/, "http").replace(/ws$/, "") : "#/network");
