// What the page keeps in the browser. One that keeps no site data throws at the mere
// mention of localStorage: then the page works, and remembers until it is closed.

function store(name) {
  const here = new Map();
  const within = (use, other) => {
    try {
      return use(globalThis[name]);
    } catch {
      return other();
    }
  };
  return {
    get: (key) => here.get(key) ?? within((s) => s.getItem(key), () => null),
    set: (key, value) => within((s) => { s.setItem(key, value); here.delete(key); }, () => here.set(key, value)),
  };
}

export const kept = store("localStorage");      // in this browser
export const keptInTab = store("sessionStorage"); // while the tab is open
