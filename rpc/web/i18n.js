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

// t gives the text of a key in the language of the page. {name} in it is
// replaced by values.name. A key that is missing shows itself.
export function t(key, values = {}) {
  const text = tables[now][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}
