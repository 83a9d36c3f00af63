// Help for the first minutes: the words, the first steps, the network's file, and where a
// proof is checked.

import { h, setText } from "../dom.js";
import { card, copyButton, fileName } from "../ui.js";

const WORDS = ["account", "issuer", "pool", "block", "builder", "final", "node"];
const STEPS = [["send", "#/send"], ["receipt", "#/pool"], ["chain", "#/chain"], ["second", "#/network"], ["break", "#/break"]];

export function mount(el, { t, state }) {
  const file = h("code", { id: "network-file" }), use = h("code", { id: "network-use" });
  const copied = h("span", {});
  el.append(h("h1", {}, t("page.help")),
    card(t("help.steps"), h("ol", {}, STEPS.map(([name, route]) => h("li", {}, t(`help.${name}`), " ", h("a", { href: route }, t(`page.${route.slice(2)}`)))))),
    card(t("help.words"), h("dl", {}, WORDS.flatMap((name) => [h("dt", {}, t(`help.${name}Word`)), h("dd", {}, t(`help.${name}Why`))]))),
    card(t("help.file"), h("p", {}, t("help.fileWhy")), h("pre", {}, file), copied, h("p", {}, use)),
    card(t("help.proof"), h("p", {}, t("help.proofWhy"), " ", h("a", { href: "verify" }, t("page.verify")))),
    card(t("help.programs"), h("p", {}, t("help.programsWhy"), " ", h("a", { href: "#/console" }, t("page.console")), " · ", h("a", { href: "v1/openapi.json" }, "OpenAPI"))));
  return { update({ info }) {
    const text = info ? networkFile(info.network) : "";
    if (text === file.textContent) return;
    setText(file, text);
    setText(use, `foxchain node --network ${fileName(info.network)}`);
    copied.replaceChildren(t("help.copy"), copyButton(text));
  } };
}

// networkFile is the file with the rules of a network, which foxchain node --network takes.
export function networkFile(rules) {
  const keys = ["name", "bits", "issuers", "builders", "keyed_only", "no_self_pay", "credit", "credit_default", "max_unfinal"];
  const says = (value) => (typeof value === "object" ? Object.keys(value).length > 0 : Boolean(value));
  return JSON.stringify(Object.fromEntries(keys.filter((key) => key === "bits" || says(rules[key])).map((key) => [key, rules[key]])), null, 2);
}
