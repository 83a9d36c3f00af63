// How final blocks are, in words. On a network that names builders these vote, and what
// they made final is never taken back; on any other nothing is final, and the page says
// on how many nodes a block was seen.

import { t } from "./i18n.js";
import * as fmt from "./fmt.js";

// finalHeight is the height of the last final block, -1 while nothing is final, and null
// on a network without finality.
export const finalHeight = ({ info }) => (info?.voting ? info.final?.height ?? -1 : null);

// isFinal tells of a height of the chain whether its block is final, null as above.
export function isFinal(state, height) {
  const line = finalHeight(state);
  return line === null ? null : height <= line;
}

// nameOf is what people call a builder, as the node tells.
export const nameOf = ({ info }, key) => info.voting.members.find((m) => m.key === key)?.name ?? key.slice(0, 8);

const namesOf = (state, keys) => keys.map((key) => nameOf(state, key)).sort().join(t("home.comma"));

// reachable counts the builders that answer: {up, of, need, enough, missing}, missing in
// words with since when.
export function reachable({ info }) {
  const { members, need } = info.voting;
  const away = members.filter((m) => m.away_since).sort((a, b) => a.away_since - b.away_since);
  const since = new Map(); // time: names
  for (const { name, away_since } of away) {
    const time = fmt.clock(away_since * 1000, false);
    since.set(time, [...since.get(time) ?? [], name]);
  }
  const missing = [...since].map(([time, names]) => t("final.gone", { names: names.sort().join(t("home.comma")), time }));
  const up = members.length - away.length;
  return { up, of: members.length, need, enough: up >= need, missing: missing.join(t("home.comma")) };
}

// signed says since when a block is final and who signed for it. at is its height.
function signed(state, at) {
  const { info } = state, { final, exact } = state.finalOf(at);
  const values = { time: fmt.clock(final.time * 1000), names: namesOf(state, final.signers), n: final.signers.length, of: info.voting.builders.length, height: fmt.number(final.height) };
  return t(!final.time ? "final.byOnly" : exact ? "final.yes" : "final.under", values);
}

function open(state) {
  const up = reachable(state);
  return up.enough ? t("final.soon") : t("final.not", up);
}

// standing says of the block at a height of the chain how final it is.
export function standing(state, height) {
  const final = isFinal(state, height);
  if (final === null) return t("final.none", seenOn(state, height));
  return final ? signed(state, height) : open(state);
}

// summary says how final the chain is, empty where there is no finality.
export function summary(state) {
  const line = finalHeight(state), { info } = state;
  if (line === null) return "";
  const { need, builders } = info.voting, above = info.blocks - 1 - line;
  if (info.blocks === 0) return t("final.empty", { need, of: builders.length });
  if (line < 0) return t("final.nothing", { rest: open(state) });
  if (above <= 0) return t("final.all", { signed: signed(state, line) });
  return t("final.upTo", { height: fmt.number(line), signed: signed(state, line), above: fmt.number(above), rest: open(state) });
}

// seenOn counts the nodes that have the block at a height of our chain, this one among
// them: {n, of}. Of a node whose last block is none of our last ones it is not known.
function seenOn(state, height) {
  const heights = new Map(state.blocks.map((b) => [b.hash, b.height]));
  const nodes = state.nodes.filter((n) => ["connected", "heard of"].includes(n.state) && n.seen);
  return { n: 1 + nodes.filter((n) => (heights.get(n.tip) ?? -1) >= height).length, of: 1 + nodes.length };
}
