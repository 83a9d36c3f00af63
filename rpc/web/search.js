// The search box in the head of the page.

import { byID, h } from "./dom.js";

export function mount(form, ctx) {
  form.replaceChildren(h("input", { type: "search", name: "q", "aria-label": ctx.t("page.search") }));
}
