// Small helpers. Names, addresses and reasons come from strangers: they are put
// into the page as text, never as markup.

export const byID = (id) => document.getElementById(id);

export function setText(id, text) {
  const node = byID(id);
  if (node.textContent !== text) node.textContent = text;
}

export function show(id, yes) { byID(id).hidden = !yes; }

// make gives an element with properties and children; a string is a text node.
export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export const cell = (text, className = "", title = "") => make("td", { className, title }, String(text));

// keyed makes rows of a table body stand for items: a row whose key and version
// are still there is kept, so that it keeps the focus and the selection.
export function keyed(id, items, describe) {
  const body = byID(id);
  const old = new Map([...body.children].map((row) => [row.dataset.key, row]));
  let at = body.firstElementChild;
  for (const item of items) {
    const { key, version, cells } = describe(item);
    let row = old.get(key);
    if (!row || row.dataset.version !== version) {
      const made = make("tr", {}, ...cells());
      made.dataset.key = key;
      made.dataset.version = version;
      if (row === at) at = at?.nextElementSibling ?? null;
      row?.remove();
      row = made;
    }
    old.delete(key);
    if (row === at) at = at.nextElementSibling;
    else body.insertBefore(row, at);
  }
  while (at) {
    const next = at.nextElementSibling;
    at.remove();
    at = next;
  }
}

export const short = (hex) => hex.slice(0, 8);

// UUIDs are told apart by both ends: the original's examples differ in the last
// digits only.
export const shortUUID = (uuid) => `${uuid.slice(0, 4)}…${uuid.slice(-4)}`;

export const number = (n) => n.toLocaleString("en");

export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor(s / 3600) % 24} h`;
}

// time shows a clock's reading in the reader's own time zone.
export function time(milliseconds) {
  const t = new Date(milliseconds);
  return Number.isNaN(t.getTime()) ? "–" : t.toLocaleString("sv"); // as 2026-11-23 09:30:00
}
