// What the node's state means, in words: green, yellow or red, and why.

const A_FORK = 15;         // seconds that another tip is just a block on its way
const SHOWN_FOR = 600;     // seconds that a refused request is told of
const POOL_ROOM = 100_000; // transactions that a pool holds
const MIB = 1024 * 1024;
const DISK_LOW = 1024 * MIB; // a look is due
const DISK_FULL = 128 * MIB; // the node will end soon

// health gives {level: "good" | "warn" | "bad", reasons: [{level, key, values}]},
// the worst first; key is an i18n key.
export function health(state, link) {
  const reasons = [];
  const say = (level, key, values = {}) => reasons.push({ level, key, values });
  const { info, nodes } = state;
  if (link === "lost") say("bad", "home.lost");
  if (!info) return verdict(reasons);

  if (info.copied) say("bad", "home.copied");
  sameChain(state, say);
  if (!nodes.some((n) => n.connected)) alone(nodes, say);
  for (const n of nodes.filter((n) => n.state === "refused" || n.state === "cut off").slice(0, 3)) {
    say("warn", "home.refused", { name: n.name || n.id, reason: n.reason });
  }
  if (info.payable > 0 && !info.builds && !nodes.some((n) => n.builds)) say("warn", "home.nobuilder", { count: info.payable });
  if (info.disk_free !== null && info.disk_free < DISK_LOW) {
    say(info.disk_free < DISK_FULL ? "bad" : "warn", "home.disk", { left: Math.floor(info.disk_free / MIB) });
  }
  if (info.pool > 0.9 * POOL_ROOM) say("warn", "home.full", { count: info.pool });
  const { last_refusal: refusal } = info;
  if (refusal && state.now() - refusal.time < SHOWN_FOR) say("warn", "home.notLetIn", { remote: refusal.remote, reason: refusal.reason });
  if (info.network.caution) say("warn", "home.caution", { reason: info.network.caution });
  if (info.deep_reorgs > 0) say("warn", "home.deep", { count: info.deep_reorgs });
  return verdict(reasons);
}

function sameChain(state, say) {
  const { info, nodes } = state;
  const connected = nodes.filter((n) => n.connected && n.seen);
  const best = Math.max(0, ...connected.map((n) => n.blocks));
  const behind = best - info.blocks;
  if (info.sync) return say("warn", "home.syncing", info.sync);
  if (behind > 1) return say("warn", "home.behind", { behind, best });
  const now = state.now();
  const forked = nodes.filter((n) => n.blocks > 0 && n.seen > now - 60 && n.blocks >= info.blocks - 1
    && now - (state.apart.get(n.id) ?? now) > A_FORK);
  if (forked.length > 0) say("warn", "home.fork", { count: forked.length, names: forked.slice(0, 3).map((n) => n.name || n.id.slice(-6)).join(", ") });
}

function alone(nodes, say) {
  const tried = nodes.find((n) => n.reason && n.state !== "itself");
  if (tried) say("warn", "home.aloneTried", { name: tried.name || tried.registered?.[0] || tried.id.slice(-8), reason: tried.reason });
  else if (nodes.length > 0) say("warn", "home.aloneKnown", { count: nodes.length });
  else say("warn", "home.alone");
}

function verdict(reasons) {
  const order = ["bad", "warn"];
  reasons.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
  return { level: reasons[0]?.level ?? "good", reasons };
}
