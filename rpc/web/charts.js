// Charts of the last hour, from the node's samples. uPlot is loaded when the
// first chart is shown: the page is there before it.

import { h } from "./dom.js";

const EVERY = 10_000; // milliseconds between two questions, as the node samples
const HEIGHT = 120;

let loading; // uPlot, once
function load() {
  loading ??= new Promise((resolve, reject) => {
    document.head.append(
      h("link", { rel: "stylesheet", href: "vendor/uPlot.min.css" }),
      h("script", { src: "vendor/uPlot.iife.min.js", onload: () => resolve(window.uPlot), onerror: () => { loading = undefined; reject(new Error("uPlot")); } }));
  });
  return loading;
}

// Each chart: its key, its values, and how a value is shown.
const CHARTS = [
  ["txs", (r) => rate(r.time, r.txs), (v, fmt) => `${fmt.number(round(v))}`],
  ["blocks", (r) => r.blocks, (v, fmt) => fmt.number(v)],
  ["pool", (r) => r.pool, (v, fmt) => fmt.number(v)],
  ["peers", (r) => r.peers, (v, fmt) => fmt.number(v)],
  ["bytes", (r) => rate(r.time, r.bytes), (v, fmt) => `${fmt.bytes(Math.round(v))}/s`],
];

const round = (v) => Math.round(v * 100) / 100;

// rate turns a rising count into how much a second it rose.
function rate(time, count) {
  return count.map((n, i) => (i === 0 ? null : Math.max(0, (n - count[i - 1]) / Math.max(1, time[i] - time[i - 1]))));
}

export function charts({ call, t, fmt }) {
  const boxes = CHARTS.map(([key]) => h("div", { class: "plot" }));
  const values = CHARTS.map(() => h("strong", {}));
  const node = h("div", { class: "charts", id: "charts" }, CHARTS.map(([key], i) =>
    h("figure", { "data-chart": key }, h("figcaption", {}, t(`charts.${key}`), " ", values[i]), boxes[i])));
  let plots = [], asked = -Infinity, gone = false, last = null;

  // A canvas takes no variables: the colours are those of elements beside it.
  function colors() {
    return {
      color: getComputedStyle(values[0]).color,
      faint: getComputedStyle(values[0].parentElement).color,
      line: getComputedStyle(boxes[0]).borderTopColor,
    };
  }

  async function draw() {
    let uPlot, reply;
    try {
      [uPlot, reply] = await Promise.all([load(), call("samples")]);
    } catch {
      return; // the connection was lost: asked again
    }
    const r = reply.response;
    if (gone || !r) return;
    last = r;
    const { color, faint, line } = colors();
    const now = r.time.at(-1) ?? 0;
    CHARTS.forEach(([key, series, show], i) => {
      const ys = series(r);
      const data = [r.time, ys];
      const newest = ys.at(-1) ?? 0;
      values[i].textContent = show(newest, fmt);
      boxes[i].setAttribute("role", "img");
      boxes[i].setAttribute("aria-label", `${t(`charts.${key}`)}: ${show(newest, fmt)}`);
      const range = () => [Math.min(r.time[0] ?? now, now - 300), now];
      if (plots[i] && plots[i].color === color) {
        plots[i].range = range;
        plots[i].plot.setData(data);
        return;
      }
      plots[i]?.plot.destroy();
      const kept = { color, range };
      const axis = { stroke: faint, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui", size: 22 };
      kept.plot = new uPlot({
        width: Math.max(120, boxes[i].clientWidth), height: HEIGHT, legend: { show: false }, cursor: { show: false },
        scales: { x: { range: () => kept.range() }, y: { range: (_u, _min, max) => [0, Math.max(1, (max ?? 0) * 1.15)] } },
        axes: [{ ...axis, space: 70, values: (_u, at) => at.map((s) => new Date(s * 1000).toTimeString().slice(0, 5)) },
          { ...axis, size: 52, space: 30, values: (_u, at) => at.map((v) => (Number.isInteger(v) || key === "txs" ? show(v, fmt) : "")) }],
        series: [{}, { stroke: color, width: 1.5, fill: color.replace("rgb(", "rgba(").replace(")", ", .13)"), points: { show: false } }],
      }, data, boxes[i]);
      plots[i] = kept;
    });
  }

  const resize = new ResizeObserver(() => {
    plots.forEach(({ plot }, i) => {
      const width = Math.max(120, boxes[i].clientWidth);
      if (plot.width !== width) plot.setSize({ width, height: HEIGHT });
    });
  });
  resize.observe(node);

  function update() {
    const recolored = last && plots[0] && plots[0].color !== colors().color;
    if (!recolored && performance.now() - asked < EVERY) return;
    asked = performance.now();
    draw();
  }

  function destroy() {
    gone = true;
    resize.disconnect();
    plots.forEach(({ plot }) => plot.destroy());
  }

  return { node, update, destroy };
}
