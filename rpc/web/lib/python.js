// The original's link: the SHA-1 of the text that Python prints for a
// transaction's dictionary.

// pythonFloat is Python's repr of a float: the shortest digits that read back
// as f, plain from 1e-4 up to 1e16 with ".0" on whole numbers, else with an
// exponent of at least two digits. JavaScript finds the same digits and only
// writes them otherwise.
export function pythonFloat(f) {
  const a = Math.abs(f);
  if (a === 0 || (a >= 1e-4 && a < 1e16)) {
    const text = String(f); // which is plain from 1e-6 up to 1e21
    return text.includes(".") ? text : `${text}.0`;
  }
  const [digits, exponent] = f.toExponential().split("e");
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

// pythonText is str({...}) of a transaction; prev is the link before it, or null.
export function pythonText(tx, prev) {
  const quote = (s) => `'${s.toLowerCase()}'`;
  return `{'id': ${quote(tx.id)}, 'sender': ${quote(tx.sender)}, 'receiver': ${quote(tx.receiver)}, ` +
    `'amount': ${tx.amount}, 't': ${pythonFloat(tx.t)}, 'prev_hash': ${prev === null ? "None" : quote(prev)}}`;
}
