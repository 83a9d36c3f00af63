// This node: how it is, what it has, how to join it, and the last hour.

import { charts } from "../charts.js";
import { h, setText } from "../dom.js";
import { alarm } from "../evidence.js";
import { finalHeight } from "../finality.js";
import { goodWhy, health } from "../health.js";
import { strip } from "../strip.js";
import { blockLink, card, code, nodeCommand } from "../ui.js";

export function mount(el, ctx) {
  const { t, fmt } = ctx;
  const verdict = h("section", { class: "card verdict", id: "verdict", role: "status" });
  const tiles = h("section", { class: "tiles", id: "tiles", "aria-label": t("home.glance") });
  const details = h("dl", { id: "details" });
  const join = h("div", { id: "join" });
  const blocks = strip(ctx, { count: 8 });
  const hour = charts(ctx), evidence = alarm(ctx);
  el.append(
    h("h1", { class: "unseen" }, t("page.home")), verdict, evidence.node, tiles,
    card(t("home.blocks"), blocks.node, h("p", { class: "more" }, h("a", { href: "#/chain" }, t("home.wholeChain")))),
    h("div", { class: "columns" }, card(t("home.details"), details), card(t("home.join"), join)),
    card(t("home.hour"), hour.node));
  const shown = {};

  // once draws a part only when what it shows has changed, so that a selection
  // and the focus stay.
  const once = (name, what, draw) => {
    const text = JSON.stringify(what);
    if (shown[name] === text) return;
    shown[name] = text;
    draw();
  };

  function tile(id, value, label, href) {
    return h(href ? "a" : "div", { class: "tile", href }, h("strong", { id }, value), h("span", {}, label));
  }

  function update(state) {
    const { info } = state, how = health(state, document.getElementById("link").dataset.state);
    const well = info && how.level === "good" ? goodWhy(state) : "";
    once("verdict", [how, Boolean(info), well], () => {
      verdict.dataset.level = info || how.level === "bad" ? how.level : "none";
      verdict.replaceChildren(
        h("strong", {}, t(info || how.level === "bad" ? `home.${how.level}` : "page.connecting")),
        h("ul", {}, well
          ? h("li", {}, well)
          : how.reasons.map((r) => h("li", { class: r.level }, t(r.key, r.values)))));
    });
    if (!info) return;
    evidence.update(state);
    const line = finalHeight(state);
    once("tiles", [info.blocks, info.pool, info.waiting, info.peers, line], () => {
      const open = info.blocks - 1 - line, kind = line === null || info.blocks === 0 ? "" : open > 0 ? "Open" : "Final";
      tiles.replaceChildren(
        tile("blocks", fmt.number(info.blocks), t(`home.height${kind}${info.blocks === 1 ? "One" : ""}`, { n: fmt.number(open) }), "#/chain"),
        tile("pool", fmt.number(info.pool), info.waiting ? t("home.poolWaiting", { n: fmt.number(info.waiting) }) : t("home.pool"), "#/pool"),
        tile("peers", fmt.number(info.peers), t(info.peers === 1 ? "home.peersOne" : "home.peers"), "#/network"),
        tile("uptime", fmt.duration(state.uptime()), t("home.uptime")));
    });
    setText(tiles.querySelector("#uptime"), fmt.duration(state.uptime()));
    once("details", [info.name, info.tip, info.peer_id, info.builds, info.work, info.reorgs, info.rivals, info.expired, info.version, info.multiaddrs], () => drawDetails(info));
    blocks.update(state);
    hour.update(state);
  }

  function drawDetails(info) {
    const row = (key, id, ...value) => [h("dt", {}, t(key)), h("dd", { id }, ...value)];
    details.replaceChildren(...[
      row("home.name", "", info.name),
      row("home.network", "", info.network.name, " ", code(info.network.id, fmt.short(info.network.id))),
      row("home.peerID", "peer-id", code(info.peer_id)),
      row("home.key", "", code(info.node_key)),
      row("home.tip", "tip", info.blocks ? blockLink(info.tip, info.tip) : t("home.noTip")),
      row("home.work", "", t("home.workValue", { work: BigInt(info.work).toLocaleString("en"), bits: info.network.bits })),
      row("home.builds", "builds", t(info.builds ? "home.buildsYes" : "home.buildsNo")),
      row("home.since", "", t("home.sinceValue", { reorgs: info.reorgs, rivals: info.rivals, expired: info.expired })),
      row("home.version", "version", info.version),
    ].flat());
    const [lines, far] = reachable(info.multiaddrs), command = nodeCommand(info.network);
    join.replaceChildren(
      h("p", { class: far ? "" : "empty" }, t(far ? "home.joinHow" : lines.length ? "home.joinNone" : "home.joinNowhere", { command })),
      h("ul", { class: "lines", hidden: !lines.length }, lines.slice(0, 3).map((a) => h("li", {}, code(`${command} --peer ${a}`)))),
      h("p", {}, t("home.joinWS")), h("p", { id: "ws" }, code(info.ws)));
  }

  return { update, destroy: hour.destroy };
}

// reachable gives the addresses that another machine can use, or else those of this one, and
// whether they are the former.
function reachable(addrs = []) {
  const far = addrs.filter((a) => !a.startsWith("/ip4/127.") && !a.startsWith("/ip6/::1/"));
  return far.length ? [far, true] : [addrs, false];
}
