// The menu of a node, and the small forms: they open beside what was pressed, and send
// one command line each. One is open at a time, and Escape closes it.

import { flagsOf, keyOf, stateOf, wordsOf } from "./network.js";
import { h, keyed } from "./node/dom.js";
import { t } from "./node/i18n.js";

const LIES = ["two-blocks", "withhold", "invalid"];
const DELAYS = ["200ms", "1s", "3s"], LOSSES = [10, 30, 60]; // offered; others can be typed
const CLOCKS = ["+2h", "-2h", "+10m"];

export function mount(el, ctx) {
  let state = null, shown = null; // what the open menu shows: a function of the state
  if (el.matches(":popover-open")) el.hidePopover(); // it was in another language

  const button = (key, text, line, plain = true) => ({ key, version: `${text} ${line}`, make: () => h("button", { type: "button", class: plain ? "plain" : "", "data-line": line, onclick: () => ctx.do(line) }, text) });
  const sub = (key, text) => ({ key, version: text, make: () => h("h3", {}, text) });
  const group = (key, text, items) => [sub(`${key} title`, text), { key, version: "", items, make: () => h("div", { class: "with-buttons" }) }];
  const form = (key, fields, text, lineOf) => ({ key, version: "", make: () => h("form", { class: "with-buttons", onsubmit: (event) => {
    event.preventDefault();
    const line = lineOf(Object.fromEntries(new FormData(event.currentTarget)));
    if (line) ctx.do(line);
  } }, ...fields(), h("button", { type: "submit", class: "plain" }, text)) });
  const field = (name, label, value, properties = {}) => h("label", {}, label, " ", h("input", { type: "text", name, value, size: 6, required: true, autocomplete: "off", ...properties }));
  const choice = (name, label, value, options = state.nodes.map((n) => n.id)) => h("label", {}, label, " ", h("select", { name }, options.map((o) => h("option", { value: o, selected: o === value }, o))));

  function open(title, items, from) {
    el.setAttribute("aria-label", title(state));
    shown = items;
    el.replaceChildren(h("div", { class: "menu-head" }, h("h2", {}, title(state)), h("button", { type: "button", class: "plain close", "aria-label": t("menu.close"), onclick: () => { el.hidePopover(); } }, "✕")), h("div", { class: "menu-body" }));
    draw();
    if (!el.matches(":popover-open")) el.showPopover();
    place(from);
    (el.querySelector(".menu-body > form input:not([type=hidden]), .menu-body > form select") ?? el).focus(); // on no button: Enter may still be down
  }

  // place puts the menu beside what was pressed, and on the screen.
  function place(from) {
    const box = from.getBoundingClientRect(), size = el.getBoundingClientRect(), space = 12;
    const right = box.right + space + size.width <= innerWidth;
    const left = right ? box.right + space : box.left - space - size.width;
    el.style.left = `${Math.max(8, Math.min(left, innerWidth - size.width - 8))}px`;
    el.style.top = `${Math.max(8, Math.min(box.top, innerHeight - size.height - 8))}px`;
  }

  function draw() {
    const fill = (parent, items) => {
      keyed(parent, items, (item) => item);
      items.forEach((item, i) => item.items && fill(parent.children[i], item.items));
    };
    const body = el.querySelector(".menu-body"), focused = body.contains(document.activeElement) && document.activeElement.closest("[data-key]")?.dataset.key;
    fill(body, shown());
    if (focused && !body.contains(document.activeElement)) { // it was drawn anew
      ([...body.querySelectorAll("button[data-key]")].find((b) => b.dataset.key === focused) ?? body.querySelector("button"))?.focus();
    }
  }

  function linkItems(id, l) {
    const other = l.a === id ? l.b : l.a, up = stateOf(l, state.nodes);
    return { key: keyOf(l), version: JSON.stringify([l, up]), make: () => h("li", { class: up },
      h("span", {}, h("b", {}, other), " ", wordsOf(l, state.nodes)),
      h("button", { type: "button", class: "plain", "data-key": keyOf(l), "data-line": `${l.cut ? "heal" : "cut"} ${l.a} ${l.b}`, "aria-label": t(l.cut ? "link.healName" : "link.cutName", l), onclick: () => ctx.do(`${l.cut ? "heal" : "cut"} ${l.a} ${l.b}`) }, t(l.cut ? "link.heal" : "link.cut"))) };
  }

  function node(id, from) {
    const items = () => {
      const n = state.nodes.find((x) => x.id === id);
      if (!n) return [sub("gone", t("menu.gone"))];
      const up = n.state === "running", flags = flagsOf(n);
      return [
        { key: "state", version: flags.join(), make: () => h("p", { class: "why" }, flags.join(" · ") || t("node.running")) },
        { key: "power", version: "", make: () => h("div", { class: "with-buttons" }), items: [
          ...(up ? [button("stop", t("menu.stop"), `stop ${id}`), button("kill", t("menu.kill"), `kill ${id}`)] : n.state === "starting" ? [] : [button("start", t("menu.start"), `start ${id}`, false)]),
          ...(n.page && up ? [{ key: "page", version: n.page, make: () => h("a", { class: "button plain", href: n.page, target: "_blank", rel: "noopener" }, t("menu.page")) }] : []),
          button("build", t(n.building ? "menu.buildOff" : "menu.buildOn"), `build ${id} ${n.building ? "off" : "on"}`)] },
        ...(up ? [sub("send title", t("menu.sendHere")), sendForm(id)] : []),
        ...group("clock", t("menu.clock"), [...CLOCKS.map((c) => button(c, c, `clock ${id} ${c}`)), button("right", t("menu.clockRight"), `clock ${id} right`)]),
        ...group("lie", t("menu.lie"), [...LIES.map((lie) => button(lie, t(`lie.${lie}`), `lie ${id} ${lie}`)), button("lie off", t("lie.off"), `lie ${id} off`)]),
        sub("links title", t("menu.links")),
        { key: "links", version: "", make: () => h("ul", { class: "menu-links" }), items: state.links.filter((l) => l.a === id || l.b === id).map((l) => linkItems(id, l)) }];
    };
    open(() => t("node.label", { id, words: "" }).replace(/[:：]\s*$/, ""), items, from);
  }

  const sendForm = (id) => form("send", () => [id ? h("input", { type: "hidden", name: "node", value: id }) : choice("node", t("menu.at"), state.nodes[0].id),
    field("amount", t("menu.amount"), "5", { inputmode: "numeric", pattern: "[1-9][0-9]*" }),
    field("from", t("menu.from"), "", { required: false, placeholder: t("menu.issuer"), size: 10 }), field("to", t("menu.to"), "", { required: false, placeholder: t("menu.new"), size: 10 })],
  t("menu.send"), ({ node, amount, from, to }) => [`send ${node} ${amount}`, from.trim() || to.trim() ? `from ${from.trim() || "issuer"}` : "", to.trim() ? `to ${to.trim()}` : ""].filter(Boolean).join(" "));

  function link(l, from) {
    const pair = () => (l ? [h("input", { type: "hidden", name: "a", value: l.a }), h("input", { type: "hidden", name: "b", value: l.b })]
      : [choice("a", t("menu.link"), state.nodes[0].id), choice("b", "–", state.nodes[1].id)]);
    const items = () => [
      ...(l ? [{ key: "state", version: JSON.stringify(state.links.find((x) => keyOf(x) === keyOf(l))), make: () => h("p", { class: "why" }, wordsOf(state.links.find((x) => keyOf(x) === keyOf(l)), state.nodes)) }] : []),
      form("slow", () => [...pair(), list("delays", DELAYS), field("delay", t("menu.delay"), "200ms", { list: "delays" })], t("menu.slow"), ({ a, b, delay }) => `slow ${a} ${b} ${delay.trim()}`),
      form("loss", () => [...pair(), list("losses", LOSSES.map((n) => `${n}%`)), field("loss", t("menu.lossOf"), "30%", { list: "losses" })], t("menu.lossy"), ({ a, b, loss }) => `loss ${a} ${b} ${loss.trim()}`),
      ...(l ? [{ key: "cut", version: "", make: () => h("div", { class: "with-buttons" }), items: [button("cut", t("link.cut"), `cut ${l.a} ${l.b}`), button("heal", t("menu.healLink"), `heal ${l.a} ${l.b}`)] }] : [])];
    open(() => (l ? t("menu.linkOf", l) : t("tool.fault")), items, from);
  }
  const list = (id, values) => h("datalist", { id }, values.map((value) => h("option", { value })));

  function conflict(from) {
    open(() => t("tool.conflict"), () => [{ key: "why", version: "", make: () => h("p", { class: "why" }, t("menu.conflictWhy")) },
      form("conflict", () => [choice("a", t("menu.first"), state.nodes[0].id), choice("b", t("menu.second"), state.nodes[1].id), field("amount", t("menu.amount"), "5", { inputmode: "numeric", pattern: "[1-9][0-9]*" })],
        t("menu.send"), ({ a, b, amount }) => `conflict ${a} ${b} ${amount}`)], from);
  }

  function split(from) {
    const half = Math.ceil(state.nodes.length / 2), sides = ["1", "2", "3"];
    open(() => t("tool.split"), () => [{ key: "why", version: "", make: () => h("p", { class: "why" }, t("menu.splitWhy")) },
      form("split", () => [h("div", { class: "sides" }, state.nodes.map((n, i) => choice(n.id, n.id, i < half ? "1" : "2", sides)))], t("menu.split"),
        (side) => `split ${sides.map((s) => Object.keys(side).filter((id) => side[id] === s).join(" ")).filter(Boolean).join(" | ")}`)], from);
  }

  return {
    node, link, conflict, split,
    send: (id, from) => open(() => t("tool.send"), () => [sendForm(id)], from),
    update(now) { state = now; if (shown && el.matches(":popover-open")) draw(); },
  };
}
