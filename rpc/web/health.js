// What the node's state means, in words: green, yellow or red, and why.

import { finalHeight, nameOf as builderName, reachable } from "./finality.js";
import { language, retell, t } from "./i18n.js";
import { number } from "./fmt.js";

const A_FORK = 15;         // seconds that another tip is just a block on its way
const STUCK = 60;          // seconds that a node which is behind has the same tip, and takes no blocks
const SILENT = 10;         // seconds within which a node answers
const NAMED = 8;           // names in one sentence
const SHOWN_FOR = 600;     // seconds that a refused request is told of
const POOL_ROOM = 100_000; // transactions that a pool holds
const MIB = 1024 * 1024;
const DISK_LOW = 1024 * MIB; // a look is due
const DISK_FULL = 128 * MIB; // the node will end soon

// The states of nodes (the doc of package p2p has their meanings) that are a reason
// to look, and those that are good; all others say nothing.
const LOOK = ["missing", "refused", "cut off", "unresolved", "stranger"];
const GOOD = ["connected", "heard of"];

// standing is a node's colour in lists: "good", "warn" or "faint". health is never
// "good" while that of a node is "warn".
export const standing = (n) => (LOOK.includes(n.state) ? "warn" : GOOD.includes(n.state) ? "good" : "faint");

// health gives {level: "good" | "warn" | "bad", reasons: [{level, key, values}]},
// the worst first; key is an i18n key.
export function health(state, link) {
  const reasons = [];
  const say = (level, key, values = {}) => reasons.push({ level, key, values });
  const { info, nodes } = state;
  if (link === "lost") say("bad", "home.lost");
  if (link === "refused") say("bad", "home.pageRefused");
  if (link === "live" && state.silent() > SILENT) say("bad", "home.silent", { time: ago(state.silent()) });
  if (!info) return verdict(reasons);

  if (info.copied) say("bad", "home.copied");
  votes(state, say);
  reasons.push(...network(state));
  for (const state of LOOK.slice(1)) {
    for (const n of nodes.filter((n) => n.state === state).slice(0, 3)) say("warn", WORDS[state], { name: nameOf(n), reason: why(n) || "…" }); // not tried yet
  }
  if (info.payable > 0 && !info.builds && !nodes.some((n) => n.builds)) say("warn", "home.nobuilder", { count: info.payable });
  if (info.disk_free !== null && info.disk_free < DISK_LOW) {
    say(info.disk_free < DISK_FULL ? "bad" : "warn", "home.disk", { left: Math.floor(info.disk_free / MIB) });
  }
  if (info.pool > 0.9 * POOL_ROOM) say("warn", "home.full", { count: info.pool });
  const { last_refusal: refusal } = info;
  if (refusal && state.now() - refusal.time < SHOWN_FOR) say("warn", "home.notLetIn", { remote: refusal.remote, reason: why(refusal) });
  if (info.network.caution) say("warn", info.network.credit_default ? "home.credit" : "home.anyIssuer", { owe: number(info.network.credit_default ?? 0) });
  if (info.deep_reorgs > 0) say("warn", "home.deep", { count: info.deep_reorgs });
  return verdict(reasons);
}

// network gives the reasons to look at who is there, and on which chain, as health does.
export function network(state) {
  const reasons = [];
  const say = (level, key, values = {}) => reasons.push({ level, key, values });
  sameChain(state, say);
  if (!state.nodes.some((n) => n.connected)) alone(state.nodes, say);
  notAnswering(state, say);
  return reasons;
}

// goodWhy is what a verdict that is good rests on.
export function goodWhy(state) {
  const onItsWay = state.nodes.some((n) => standing(n) === "good" && state.apart.has(n.id));
  return t(onItsWay ? "home.goodNew" : "home.goodWhy", { peers: state.info.peers });
}

// why is the reason of a node or of a refusal, in the page's language where it is known.
export function why({ reason, reason_code: code, reason_args: args }) {
  const key = `why.${code}`, text = code ? t(key, inWords(args)) : key;
  return text === key ? reason : text;
}

// inWords gives the parameters of a reason that are words themselves in the page's language.
function inWords({ time, way, why: other, what, ...others } = {}) {
  if (time) others.time = time.replace(/ (min|h|days|years)$/, (_, unit) => t(`clock.${unit}`));
  if (way) others.way = t(`clock.${way}`);
  if (other) others.why = retell(other);
  if (what) others.what = language() === "en" ? what : t(DID.find(([form]) => form.test(what))[1]);
  return others;
}

// What a node did that no honest one does. In English its own words are shown.
const DID = [[/^sent a body that is not block/, "did.body"], [/over the limit of|at once,/, "did.size"], [/ malformed /, "did.form"], [/ invalid /, "did.invalid"], [/^/, "did.rules"]];

function votes(state, say) {
  const { voting, network, blocks } = state.info;
  if (!voting) return;
  for (const key of voting.evidence) say("bad", "home.liar", { name: builderName(state, key) });
  if (voting.twice) say("bad", "home.votesTwice");
  if (voting.mute) say("warn", "home.mute");
  const up = reachable(state), open = blocks - 1 - finalHeight(state);
  if (!up.enough) say("warn", "home.notFinal", up);
  if (network.max_unfinal && open >= network.max_unfinal) say("warn", "home.unfinalFull", { count: open });
}

function sameChain(state, say) {
  const { info, nodes } = state;
  const connected = nodes.filter((n) => n.connected && n.seen);
  const best = Math.max(0, ...connected.map((n) => n.blocks));
  const behind = best - info.blocks;
  if (info.sync) return say("warn", "home.syncing", info.sync);
  if (behind > 1) return say("warn", "home.behind", { behind, best });
  const forked = nodes.filter((n) => standing(n) === "good" && n.blocks > 0 && n.seen > state.now() - 60 && n.blocks >= info.blocks - 1
    && state.apartFor(n) > A_FORK);
  const stuck = connected.filter((n) => n.blocks < info.blocks - 1 && state.apartFor(n) > STUCK && state.stoodFor(n) > STUCK);
  if (stuck.length > 0) say("warn", "home.stuck", { names: list(stuck.map((n) => t("home.stuckBy", { name: nameOf(n), n: info.blocks - n.blocks }))) });
  if (forked.length > 0) say("warn", "home.fork", { time: ago(Math.max(...forked.map((n) => state.apartFor(n)))), names: list(forked.map(nameOf)) });
}

const WORDS = { "refused": "home.refused", "cut off": "home.refused", "unresolved": "home.unresolved", "stranger": "home.stranger" };
const nameOf = (n) => n.name || n.registered?.[0] || n.id?.slice(-8) || n.multiaddrs?.[0] || "–";

// Who was there in the last hours and does not answer: the node may be on a branch
// of its own, though all that it can see agree.
function notAnswering(state, say) {
  const gone = state.nodes.filter((n) => n.state === "missing");
  if (gone.length === 0) return;
  const of = 1 + gone.length + state.nodes.filter((n) => GOOD.includes(n.state)).length;
  const for_ = (since) => ago(state.now() - since);
  gone.sort((a, b) => b.missing_since - a.missing_since);
  const names = list(gone.map((n) => t("home.goneFor", { name: nameOf(n), time: for_(n.missing_since) })));
  const own = 2 * gone.length >= of ? "home.missingMany" : gone.length === 1 ? "home.missingOne" : "home.missing";
  say("warn", own, { count: gone.length, of, time: for_(gone[0].missing_since), names });
}

// list joins names, and counts those that are too many.
function list(names) {
  const more = names.length > NAMED ? [t("home.more", { n: names.length - NAMED })] : [];
  return [...names.slice(0, NAMED), ...more].join(t("home.comma"));
}

// ago is how long something lasts, by its largest unit. Seconds go by fives, since a
// screen reader reads out what changes.
function ago(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return t("home.seconds", { n: s - s % 5 });
  if (s < 3600) return t(s < 120 ? "home.minute" : "home.minutes", { n: Math.floor(s / 60) });
  return t(s < 7200 ? "home.hour1" : "home.hours", { n: Math.floor(s / 3600) });
}

function alone(nodes, say) {
  const tried = nodes.find((n) => n.reason && standing(n) === "faint" && n.state !== "itself");
  if (tried) say("warn", "home.aloneTried", { name: nameOf(tried), reason: why(tried) });
  else if (nodes.length > 0) say("warn", "home.aloneKnown", { count: nodes.length });
  else say("warn", "home.alone");
}

function verdict(reasons) {
  const order = ["bad", "warn"];
  reasons.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
  return { level: reasons[0]?.level ?? "good", reasons };
}
