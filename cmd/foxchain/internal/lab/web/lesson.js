// Lessons, and the log of what happened.

import { h, keyed } from "./node/dom.js";
import { language, t } from "./node/i18n.js";

const LINES = 200; // of the log that the page shows, newest first

export const words = (text) => text[language()] || text.en;

const CONDITIONS = [[/^one tip$/, "one"], [/^tips (\d+)$/, "tips"], [/^height >= (\d+)$/, "height"], [/^height = (\d+)$/, "heightIs"], [/^final >= (\d+)$/, "final"],
  [/^final = (\d+)$/, "finalIs"], [/^tx pool (.+)$/, "tx.pool"], [/^txs pool (.+)$/, "txs.pool"], [/^tx block (.+)$/, "tx.block"], [/^txs block (.+)$/, "txs.block"],
  [/^tx once$/, "once"], [/^not linked (.+)$/, "notLinked"], [/^linked (.+)$/, "linked"], [/^evidence (\w)$/, "evidence"], [/^refused (\w)$/, "refused"]];

// waits says in words what a step waits for.
export function waits(condition) {
  for (const [form, key] of CONDITIONS) {
    const found = condition.match(form);
    if (found) return t(`wait.${key}`, { n: found[1], nodes: found[1] === "all" ? t("wait.all") : found[1]?.replaceAll(" ", t("lab.comma")) });
  }
  return condition.startsWith("not ") ? t("wait.not", { what: waits(condition.slice(4)) }) : condition;
}

export function mount(el, ctx) {
  let before = "";

  function update(state) {
    const s = state.lesson, version = JSON.stringify([s, state.lessons]);
    if (version === before) return;
    before = version;
    const focused = document.activeElement?.closest("#lesson [data-do]")?.dataset.do;
    el.replaceChildren(...(s ? running(s) : list(state.lessons)));
    if (focused) (el.querySelector(`[data-do="${focused}"]:not(:disabled)`) ?? el.querySelector("button"))?.focus();
  }

  const button = (line, text, properties = {}) => h("button", { type: "button", onclick: () => ctx.do(line), "data-do": line, ...properties }, text);

  function list(lessons) {
    return [h("h2", { id: "lesson-title" }, t("lesson.list")), h("p", { class: "why" }, t("lesson.why")),
      h("ol", { class: "lessons" }, lessons.map((l) => h("li", {}, button(`lesson ${l.name}`, words(l.title), { class: "plain" }))))];
  }

  function running(s) {
    const last = s.step >= s.steps;
    const state = s.failed ? h("p", { class: "bad", role: "alert" }, t("lesson.failed", { why: words(s.failed) }))
      : s.waiting ? h("p", { class: "waiting" }, t("lesson.waits", { what: waits(s.waiting) }), " ", h("span", { class: "code faint" }, s.waiting))
      : s.done ? h("p", { class: "good" }, t(last ? "lesson.ended" : "lesson.done")) : h("p", { class: "faint" }, t("lesson.works"));
    return [h("h2", { id: "lesson-title" }, t("lesson.title", { title: words(s.title) })),
      h("p", { class: "steps" }, h("progress", { max: s.steps, value: s.step, "aria-label": t("lesson.step", { n: s.step, of: s.steps }) }), " ", t("lesson.step", { n: s.step, of: s.steps })),
      h("p", { class: "look", "aria-live": "polite" }, words(s.text)), state,
      h("div", { class: "with-buttons" }, last ? null : button("next", t("lesson.next"), { class: s.done ? "" : "plain" }),
        button("lesson again", t("lesson.again"), { class: "plain" }), button("lesson stop", t("lesson.stop"), { class: last && s.done ? "" : "plain" }))];
  }
  return { update };
}

// mountLog draws the log. add keeps a line, which the next update shows.
export function mountLog(el) {
  let lines = [], number = 0;

  function line({ at, time, kind, text }) {
    return { key: at, version: language(), make: () => h("li", { "data-kind": kind }, h("time", {}, new Date(time).toLocaleTimeString("sv")), " ",
      h("span", { class: kind === "command" ? "code" : "" }, words(text))) };
  }
  return {
    add(entry) { lines.unshift({ ...entry, at: number++ }); lines.length = Math.min(lines.length, LINES); },
    clear() { lines = []; },
    update() { keyed(el, lines, line); },
  };
}
