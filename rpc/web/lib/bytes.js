// Bytes and their texts.

const HEX = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, "0"));

export const hex = (bytes) => Array.from(bytes, (b) => HEX[b]).join("");

// A RuleError says which rule a field's value breaks: its text stands in the
// page's languages under "rule." + rule, with values in it.
export class RuleError extends RangeError {
  constructor(rule, values = {}) {
    super(`${rule} ${JSON.stringify(values)}`);
    this.rule = rule;
    this.values = values;
  }
}

// unhex reads exactly `length` bytes of hex digits, in either case.
export function unhex(text, length) {
  if (typeof text !== "string" || !/^[0-9a-f]*$/i.test(text) || text.length !== 2 * length) {
    throw new RuleError("hex", { digits: 2 * length });
  }
  return Uint8Array.from({ length }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const isUUID = (text) => typeof text === "string" && UUID.test(text);

export function uuidBytes(text) {
  if (!isUUID(text)) throw new RuleError("uuid");
  return unhex(text.replaceAll("-", ""), 16);
}

export const uuidText = (bytes) => hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

// randomUUID is crypto.randomUUID for pages that do not come over https, which
// have none.
export function randomUUID() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  return uuidText(b);
}

export const utf8 = (text) => new TextEncoder().encode(text);

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
