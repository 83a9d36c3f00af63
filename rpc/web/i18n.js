// The page's two languages. Both tables are loaded at once (they are small), so
// that the switch needs no request.

import en from "./i18n/en.js";
import zh from "./i18n/zh.js";
import { kept } from "./kept.js";

const tables = { en, zh };
const KEPT = "foxchain.language";

let now = tables[kept.get(KEPT)] ? kept.get(KEPT) : preferred();

// preferred is the first of the browser's languages that the page speaks.
function preferred() {
  for (const tag of navigator.languages ?? [navigator.language]) {
    const found = tag.toLowerCase().split("-")[0];
    if (tables[found]) return found;
  }
  return "en";
}

export const language = () => now;

export function setLanguage(to) {
  now = to;
  kept.set(KEPT, to);
}

// retell gives what the node said in English in the page's language: each sentence that is
// the English text of a key that begins with why. or said. Any other one is shown as it came.
export function retell(text) {
  return text.split(/\.(?:\s+|$)/).filter(Boolean).map((part) => sentence(part) ?? part).join(t("said.stop"));
}

function sentence(text) {
  for (const [key, form] of Object.entries(en)) {
    if (!/^(why|said)\./.test(key) || /^\{\w+\}$/.test(form)) continue;
    const names = [], pattern = form.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{(\w+)\}/g, (_, name) => `(${names.push(name) && ".+"}?)`);
    const found = text.match(new RegExp(`^${pattern}$`, "i"));
    if (found) return t(key, Object.fromEntries(names.map((name, i) => [name, sentence(found[i + 1]) ?? found[i + 1]])));
  }
  return null;
}

// t gives the text of a key in the language of the page. {name} in it is
// replaced by values.name. A key that is missing shows itself.
export function t(key, values = {}) {
  const text = tables[now][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}
