// How numbers, times and names are shown.

import { language, t } from "./i18n.js";

// A block's hash begins with zeros: four digits behind them are shown at least.
export const short = (hex) => hex.slice(0, Math.max(8, hex.search(/[^0]/) + 4));

// UUIDs are told apart by both ends: many differ in the last digits only.
export const shortUUID = (uuid) => `${uuid.slice(0, 4)}…${uuid.slice(-4)}`;

// number shows a number, or a text of digits, since sums may exceed what a number holds.
export const number = (n) => (typeof n === "string" ? BigInt(n) : n).toLocaleString(language()).replace("-", "−");

// duration shows seconds by its two largest units.
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return t("time.s", { s });
  if (s < 3600) return t("time.m", { m: Math.floor(s / 60), s: s % 60 });
  if (s < 86_400) return t("time.h", { h: Math.floor(s / 3600), m: Math.floor(s / 60) % 60 });
  return t("time.d", { d: Math.floor(s / 86_400), h: Math.floor(s / 3600) % 24 });
}

// ago shows how long something is past, in seconds, by its largest unit.
export function ago(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 2) return t("time.now");
  if (s < 60) return t("time.ago", { time: t("time.s", { s }) });
  if (s < 3600) return t("time.ago", { time: t("time.min", { m: Math.floor(s / 60) }) });
  if (s < 86_400) return t("time.ago", { time: t("time.hours", { h: Math.floor(s / 3600) }) });
  return t("time.ago", { time: t("time.days", { d: Math.floor(s / 86_400) }) });
}

// time shows a clock's reading (Unix milliseconds) in the reader's own time zone.
export function time(milliseconds) {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? "–" : date.toLocaleString("sv"); // as 2026-11-23 09:30:00
}

// clock shows the time of day, and of another day than today the date too.
export function clock(milliseconds, seconds = true) {
  const text = time(milliseconds), [day, hour] = text.slice(0, seconds ? 19 : 16).split(" ");
  return day === time(Date.now()).slice(0, 10) ? hour : `${day} ${hour}`;
}

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (n >= 1000 && at < units.length - 1) { n /= 1000; at++; }
  return `${n.toLocaleString(language(), { maximumFractionDigits: n < 10 && at > 0 ? 1 : 0 })} ${units[at]}`;
}
