// The red card about builders that signed two votes which exclude each other.

import { h, keyed } from "./dom.js";
import { nameOf } from "./finality.js";
import { retell } from "./i18n.js";
import { download } from "./ui.js";

// alarm gives {node, update}: a card for each of these builders, and nothing while there
// are none.
export function alarm({ t, call }) {
  const node = h("div", { class: "alarms", role: "alert", hidden: true });

  function update(state) {
    const liars = state.info?.voting?.evidence ?? [];
    node.hidden = liars.length === 0;
    keyed(node, liars, (key) => ({ key, version: nameOf(state, key), make: () => card(state, key) }));
  }

  function card(state, key) {
    const { builders, need } = state.info.voting, name = nameOf(state, key);
    const said = h("p", { class: "form-error" });
    return h("section", { class: "card alarm" },
      h("h2", {}, t("evidence.title", { name })),
      h("p", {}, t("evidence.means")),
      h("p", {}, t("evidence.still", { may: 2 * need - builders.length - 1, of: builders.length })),
      h("p", {}, t("evidence.do", { name })),
      h("p", { class: "code" }, key),
      h("p", {}, h("button", { type: "button", onclick: () => save(key, said) }, t("evidence.download"))), said);
  }

  async function save(key, said) {
    const reply = await call("evidence").catch((error) => ({ error: error.message }));
    const found = reply.response?.evidence?.find((e) => e.builder === key);
    said.textContent = found ? "" : retell(reply.error);
    if (found) download(JSON.stringify(found, null, 2), `evidence-${key.slice(0, 8)}.json`, "application/json");
  }

  return { node, update };
}
