// The colours of blocks, and the letters of different last blocks.

// Any two differ by 0.12 or more in OKLab, where 0.02 can just be seen, and each
// contrasts with its card by 4.5 or more: [on light, on dark].
const COLORS = [
  ["#e10000", "#f04b00"], ["#0069f0", "#0087ff"], ["#008700", "#3cd200"], ["#693c69", "#ffc396"], ["#d21eb4", "#f04bd2"], ["#000087", "#7887b4"],
  ["#3c0f00", "#a58700"], ["#5a785a", "#5aff96"], ["#a50078", "#ff1e78"], ["#2d1ed2", "#00b4d2"], ["#780000", "#f0961e"], ["#005a2d", "#00a500"],
  ["#a56900", "#f0f04b"], ["#9600c3", "#b45aff"], ["#0f1e3c", "#a5b496"], ["#5a0f96", "#d296ff"], ["#a54b5a", "#ff8796"], ["#874bff", "#c3f0f0"],
  ["#002d00", "#2d9678"], ["#1e3c78", "#96c3ff"], ["#784b0f", "#c3c300"], ["#4b004b", "#c36996"], ["#875aa5", "#ffc3ff"], ["#0f6996", "#3ce1d2"],
];
const NEAR = 20;   // heights within which no two blocks have one colour, as long as there are colours
const KEPT = 1000; // blocks whose colours are remembered
const TRIED = [0, 4, 3, 2, 1, ...COLORS.keys()]; // behind the colour of the height; 1 to 4 are of heights not near
const given = new Map(); // block hash: {height, color}

// blockColor returns the colour of a block, which it keeps. It follows from the height,
// so that the last blocks differ and have the same colours on every node's page. A rival
// of a block gets the colour whose blocks are the farthest from its height.
export function blockColor(hash, height) {
  if (!given.has(hash)) {
    const all = [...given.values()], count = COLORS.length;
    const distance = (color) => Math.min(NEAR, ...all.filter((g) => g.color === color).map((g) => Math.abs(g.height - height)));
    const [color] = TRIED.map((n) => (((height + n) % count) + count) % count)
      .map((c) => [c, distance(c)]).reduce((best, next) => (next[1] > best[1] ? next : best));
    given.set(hash, { height, color });
    if (given.size > KEPT) given.delete(given.keys().next().value);
  }
  const [light, dark] = COLORS[given.get(hash).color];
  return `light-dark(${light}, ${dark})`;
}

let letters = new Map(); // last block: letter, as long as a node has it

// lettersOf gives each last block of the nodes a letter where there is more than one:
// "A" is this node's, and one that a node still has keeps its letter.
export function lettersOf(own, tips) {
  const before = letters;
  letters = new Map([[own, "A"]]);
  const free = [..."BCDEFGHIJKLMNOPQRSTUVWXYZ"].filter((c) => !tips.some((tip) => before.get(tip) === c));
  for (const tip of tips) {
    if (letters.has(tip)) continue;
    const kept = before.get(tip);
    letters.set(tip, kept && kept !== "A" ? kept : free.shift() ?? "?");
  }
  return letters.size > 1 ? letters : new Map();
}
