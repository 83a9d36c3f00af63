// An account's statement as a table for spreadsheets (RFC 4180, UTF-8): every transaction
// of a period in the order of the chain, and the balance after it.

import { h } from "./dom.js";
import { retell } from "./i18n.js";
import { download } from "./ui.js";

const TRIES = 3; // a reorg may change the chain while it is read

// held is what an account holds, of an issuer what it redeemed less what it minted, and
// before makes of the balance after a transaction the one before it.
export const held = ({ balance, minted, redeemed }) => (balance === null ? BigInt(redeemed) - BigInt(minted) : BigInt(balance));
export const before = (balance, direction, amount) => balance + { in: -1n, out: 1n, self: 0n }[direction] * BigInt(amount);

// behindKey is the key of what the balance after a transaction is called.
export const behindKey = (kind) => (kind === "issuer" ? "account.net" : "statement.balance"); // an issuer has no balance

// statementForm gives the form that downloads the statement of an account.
export function statementForm(id, ctx) {
  const { t } = ctx;
  // Not of the type date, which Chromium gives pictures that the page's policy refuses.
  const day = () => h("input", { type: "text", size: 10, placeholder: "2026-11-29", pattern: "\\d{4}-\\d{2}-\\d{2}" });
  const from = day(), to = day();
  const button = h("button", { type: "submit" }, t("statement.download"));
  const said = h("p", { class: "faint", role: "status" });
  return h("form", { class: "bar statement", onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    said.textContent = t("statement.reading");
    try {
      const { text, lines } = await statement(id, dayOf(from.value), dayOf(to.value), ctx);
      download(text, `statement-${id}.csv`, "text/csv;charset=utf-8");
      said.textContent = t("statement.done", { n: ctx.fmt.number(lines) });
    } catch (error) {
      said.textContent = t("statement.failed", { reason: retell(error.message) });
    }
    button.disabled = false;
  } }, h("label", {}, t("statement.from"), " ", from), h("label", {}, t("statement.to"), " ", to), button, said);
}

async function statement(id, from, to, ctx, tries = TRIES) {
  const start = await heightAt(from, 0, ctx), end = await heightAt(to, 1, ctx);
  const pages = []; // newest first
  let balance, closing, next, kind, lines = 0, inside = true;
  while (inside) {
    const reply = await ctx.call("statement", { account: id, from: next });
    if (reply.status !== 200 && next && tries > 1) return statement(id, from, to, ctx, tries - 1);
    if (reply.status !== 200) throw new Error(reply.error);
    const page = reply.response, rows = [];
    balance ??= held(page);
    kind = page.kind;
    for (const line of page.lines) {
      inside = line.height >= start;
      if (!inside) break;
      if (line.height < end) {
        closing ??= balance;
        lines++;
        rows.push(row(line, balance, ctx));
      }
      balance = before(balance, line.direction, line.amount);
    }
    pages.push(rows.reverse().join(""));
    next = page.next;
    inside &&= Boolean(next);
  }
  const { t } = ctx;
  const columns = ["account.when", "account.block", "account.what", "account.in", "account.out", behindKey(kind), "account.with", "account.tx"];
  const total = (key, sum) => csv(["", "", t(key, { what: t(behindKey(kind)).toLowerCase() }), "", "", String(sum), "", ""]);
  // Spreadsheets read UTF-8 as such behind a byte-order mark.
  const text = "\uFEFF" + csv(columns.map((key) => t(key))) + total("statement.opening", balance) + pages.reverse().join("") + total("statement.closing", closing ?? balance);
  return { text, lines };
}

function row({ height, t: time, direction, amount, with: other, id }, balance, { t, fmt }) {
  return csv([fmt.time(time * 1000), height, t(`account.${direction}`), direction === "out" ? "" : amount, direction === "in" ? "" : amount, balance, other, id]);
}

function dayOf(text) {
  const day = Date.parse(text); // of UTC
  if (text && Number.isNaN(day)) throw new Error(text);
  return day;
}

// csv is a line whose texts no spreadsheet takes for a formula.
const csv = (cells) => `${cells.map((cell) => {
  const text = typeof cell === "string" && /^[=+@\t\r\n-](?!\d*$)/.test(cell) ? `'${cell}` : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}).join(",")}\r\n`;

// heightAt finds the first block that was built on a day, by its builder's clock, or after
// as many days more.
async function heightAt(day, more, { call }) {
  if (Number.isNaN(day)) return more ? Infinity : 0;
  const date = new Date(day); // of UTC; the reader's day is meant
  const time = new Date(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + more).getTime();
  let low = 0, high = (await call("info")).response.blocks;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [block] = (await call("blocks", { start: middle, limit: 1, items: false })).response.blocks;
    if (block && block.time < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
