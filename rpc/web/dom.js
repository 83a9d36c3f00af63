// Small helpers. Names, addresses and reasons come from strangers: they are put
// into the page as text, never as markup, and only ever as the value of an
// attribute that runs nothing.

export const byID = (id) => document.getElementById(id);

// h makes an element: h("a", { class: "x", href, onclick: f, "aria-label": t }, ...children).
// A property on… is a listener, false or null leaves one out, and a child that
// is not an element becomes text; null and false are left out.
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

const SVG = "http://www.w3.org/2000/svg";

// svg is h for drawings.
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(node, properties, children) {
  if (node.localName === "h1") node.tabIndex = -1; // takes the focus when its view is opened
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// setText changes the text only when it is another, so that a selection stays.
export function setText(node, text) {
  if (node.textContent !== String(text)) node.textContent = text;
}

// keyed makes the children of a node stand for items: one whose key and version
// are still there is kept, so that it keeps the focus and the selection, and is moved
// only where the order has changed.
// describe(item) gives {key, version, make: () => element}. made(element, item)
// is told of children whose key was not there before.
export function keyed(parent, items, describe, made = () => {}) {
  const wanted = items.map(describe), keys = new Set(wanted.map(({ key }) => String(key))), old = new Map();
  for (const child of [...parent.children]) {
    const { key } = child.dataset;
    if (keys.has(key) && !old.has(key)) old.set(key, child);
    else child.remove();
  }
  let at = parent.firstElementChild;
  wanted.forEach(({ key, version, make }, i) => {
    let child = old.get(String(key));
    old.delete(String(key)); // two items of one key are two children
    if (!child || child.dataset.version !== String(version)) {
      const fresh = make();
      fresh.dataset.key = key;
      fresh.dataset.version = version;
      if (!child) made(fresh, items[i]);
      if (child && child === at) at = at.nextElementSibling;
      child?.remove();
      child = fresh;
    }
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  });
}
