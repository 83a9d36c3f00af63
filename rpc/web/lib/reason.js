// Why a transaction waits, was refused or is gone, in the page's language. The
// node says it in English; its usual sentences are known here, any other one is
// shown as it came.

const FORMS = [
  [/^sender holds (?<holds>\d+) and needs (?<missing>\d+) more$/, "reason.poor"],
  [/^sender holds (?<holds>-?\d+) and needs (?<needs>\d+), may owe (?<owe>\d+)$/, "reason.owing"],
  [/^receiver would hold more than \d+$/, "reason.room"],
  [/^expired after (?<time>\S+) of waiting: (?<rest>.*)$/s, "reason.expired"],
  [/^another transaction with the id \S+ is in block (?<height>\d+)$/, "reason.inBlock"],
  [/^another transaction with the id \S+ is in the pool\b/, "reason.inPool"],
  [/^pool is full/, "reason.full"],
  [/^(?<rest>.*), and (?<count>\d+) transactions wait for money already/s, "reason.crowded"],
];

export function explain(reason, { t, fmt }) {
  for (const [form, key] of FORMS) {
    const match = form.exec(reason);
    if (!match) continue;
    const values = Object.fromEntries(Object.entries(match.groups ?? {}).map(([name, value]) => [
      name, name === "rest" ? explain(value, { t, fmt }) : /^-?\d+$/.test(value) ? fmt.number(value) : value,
    ]));
    return t(key, values);
  }
  return reason;
}
