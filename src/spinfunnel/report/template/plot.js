"use strict";
// Panels of series, drawn by kind. What is far down the page is drawn when it comes into view.

const plots = new Set();
const SPARSE = 60; // fewer points than this are seen one by one
const DASHES = ["solid", "dash", "dot"]; // what is measured, a null, a second one
const paper = matchMedia("print");
const night = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => night.matches && !paper.matches && !printing;
let printing = false;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const faint = (hex, alpha) => hex + Math.round(255 * alpha).toString(16).padStart(2, "0");
// Plotly reads a little HTML in its texts: a name may hold some that is not ours.
const literal = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

// The same view of everything drawn in space: from the side, so that what is low is seen to be low.
const camera = (far) => ({ eye: { x: far, y: -1.38 * far, z: 0.55 * far }, center: { x: -0.07, y: -0.05, z: -0.2 } });
const hasSpace = (() => {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl2") ?? canvas.getContext("webgl"));
})();

// What is left of a picture in space where nothing can be drawn there: its points, seen from the side.
function fromTheSide(panel) {
  const series = panel.series.filter((one) => one.z && one.kind !== "surface")
    .map((one) => ({ ...one, kind: one.kind === "scatter3d" ? "scatter" : "line", y: one.z, z: null, low: null, high: null }));
  return { ...panel, solid: false, series, axes: [panel.axes[0], panel.axes[2]] };
}

// A surface over a grid, seen from above: its levels, with what lies on it.
function fromAbove(panel) {
  const grids = panel.series.filter((one) => one.kind === "surface" && !Array.isArray(one.x[0]));
  if (!grids.some((one) => one.z.flat().some(Number.isFinite))) return null;
  const series = panel.series.map((one) => (one.kind === "surface" ? { ...one, kind: "contour" }
    : { ...one, kind: one.kind === "scatter3d" ? "scatter" : "line", z: null, low: null, high: null }));
  // The last to be drawn is on top: points stand on their path.
  series.sort((one, other) => (one.kind === "scatter") - (other.kind === "scatter"));
  return { ...panel, title: `${panel.title}, from above`, solid: false, large: true, caption: "", series, axes: panel.axes.slice(0, 2) };
}

function traces(panel, outcomeOf) {
  const inks = report.inks[isDark() ? "dark" : "light"];
  const logY = panel.axes[1]?.log;
  const floor = logY ? (panel.axes[1].range?.[0] ?? 1e-12) / 10 : 0;
  // Points in space stand before a surface that is seen through, or hang on threads: the more, the fainter.
  const points = panel.series.filter((series) => series.z && series.kind !== "surface").reduce((sum, series) => sum + series.x.length, 0);
  const stems = panel.series.some((series) => series.kind === "surface") ? 0 : Math.min(0.35, Math.max(0.12, 30 / points));
  // Between low and high, one piece for each stretch where both are known; on a logarithmic axis from its floor.
  const ribbon = (series, ink) => {
    const x = [], y = [], { low = series.y, high = series.y } = series;
    const known = (i) => Number.isFinite(low[i]) && Number.isFinite(high[i]), up = (value) => (logY && value < floor ? floor : value);
    for (let from = 0, to; from < series.x.length; from = to) {
      for (to = from; to < series.x.length && known(to) === known(from); to++);
      if (!known(from)) continue;
      const there = Array.from({ length: to - from }, (_, k) => from + k), back = [...there].reverse();
      x.push(...[...there, ...back].map((i) => series.x[i]), null);
      y.push(...there.map((i) => up(high[i])), ...back.map((i) => up(low[i])), null);
    }
    return { type: "scatter", mode: "lines", x, y, fill: "toself", fillcolor: faint(ink, 0.22), line: { width: 0, color: ink },
      hoverinfo: "skip", hovertemplate: null };
  };
  const judged = (series) => series.names.some((name) => outcomeOf(name));
  const bars = (series, ink) => (series.low || series.high) && { type: "data", symmetric: false, thickness: 1, width: 0, color: faint(ink, 0.55),
    array: series.y.map((y, i) => (series.high?.[i] ?? y) - y), arrayminus: series.y.map((y, i) => y - (series.low?.[i] ?? y)) };
  return panel.series.flatMap((series) => {
    const ink = inks[series.ink];
    const common = { name: literal(series.label), legendgroup: series.label, showlegend: Boolean(series.label),
      hovertemplate: `%{x:.4g}, %{y:.4g}<extra>${literal(series.label)}</extra>` };
    switch (series.kind) {
      case "step": {
        const x = [series.x[0]], y = [floor];
        series.y.forEach((value, i) => {
          const up = value > floor ? value : floor;
          x.push(series.x[i], series.x[i + 1]);
          y.push(up, up);
        });
        x.push(series.x.at(-1));
        y.push(floor);
        return [{ ...common, type: "scatter", mode: "lines", x, y, fill: "toself", fillcolor: faint(ink, 0.28), line: { color: ink, width: 1 },
          hoverinfo: "skip", hovertemplate: null }];
      }
      case "band":
        return [{ ...common, ...ribbon(series, ink) }, { ...common, type: "scatter", mode: "lines", x: series.x, y: series.y, showlegend: false,
          line: { color: ink, width: 1.25, dash: "dot" } }];
      case "scatter": {
        // Points that stand for judged rows have the colours of the outcomes, and a click picks the row.
        const rows = judged(series), named = series.names.length > 0;
        const fills = rows ? series.names.map((name) => colour(outcomeOf(name) || "soft")) : ink;
        const some = series.x.length < SPARSE;
        const open = series.null > 1; // a second null is told from the first
        const trace = { ...common, type: "scatter", mode: "markers", x: series.x, y: series.y, error_y: bars(series, rows ? colour("soft") : ink),
          marker: { color: fills, symbol: open ? "circle-open" : "circle", size: rows ? 7 : some ? 6 : 4, opacity: rows ? 0.9 : 0.8, line: { width: open ? 1.25 : 0 } } };
        if (named) {
          trace.text = series.names.map(literal);
          trace.hovertemplate = `<b>%{text}</b><br>%{x:.4g}, %{y:.4g}<extra></extra>`;
        }
        if (rows) {
          trace.customdata = series.names;
          trace.showlegend = false;
        }
        return [trace];
      }
      case "vline":
        // The line itself is a shape, so that it is as tall as the picture; this is its entry in the legend.
        return [{ ...common, type: "scatter", mode: "lines", x: [null], y: [null], line: { color: ink, width: 1.25, dash: "dash" } }];
      case "hline": // a shape, too, with its label on it
        return [];
      case "scatter3d": {
        const text = series.names.length ? series.names.map(literal) : undefined;
        const z = literal(panel.axes[2]?.label ?? "z");
        const dots = { ...common, type: "scatter3d", mode: "markers", x: series.x, y: series.y, z: series.z, text,
          marker: { color: ink, size: points < 100 ? 4 : 3, opacity: 0.9, line: { width: 0 } },
          hovertemplate: `${text ? "<b>%{text}</b><br>" : ""}${z} %{z:.5g}<extra>${literal(series.label)}</extra>` };
        if (!stems) return [dots];
        const top = panel.axes[2]?.range?.[1] ?? Math.max(...series.z);
        const along = (values) => values.flatMap((value) => [value, value, null]);
        return [{ ...common, type: "scatter3d", mode: "lines", x: along(series.x), y: along(series.y), z: series.z.flatMap((z) => [top, z, null]),
          line: { color: ink, width: 2 }, opacity: stems, showlegend: false, hoverinfo: "skip", hovertemplate: null }, dots];
      }
      case "contour":
        return [{ ...common, type: "contour", x: series.x, y: series.y, z: series.z, showscale: false, showlegend: false, ncontours: 14,
          contours: { coloring: "none", showlabels: true, labelfont: { size: 10, color: colour("soft") } }, line: { color: inks[1], width: 1 },
          hovertemplate: "%{x:.4g}, %{y:.4g}<br>%{z:.5g}<extra></extra>" }];
      case "surface":
        if (!series.z.flat().some(Number.isFinite)) return [];
        return [{ ...common, type: "surface", x: series.x, y: series.y, z: series.z, showscale: false, colorscale: "Cividis", opacity: points ? 0.5 : 1,
          lighting: { ambient: 0.7, diffuse: 0.7, specular: 0.05, roughness: 0.9 },
          ...(points ? { hoverinfo: "skip", hovertemplate: null } : { hovertemplate: "%{x:.4g}, %{y:.4g}<br>%{z:.5g}<extra></extra>" }) }];
      default: { // line, tree
        if (series.z) return [{ ...common, type: "scatter3d", mode: "lines", x: series.x, y: series.y, z: series.z, line: { color: ink, width: 5 },
          hovertemplate: `${literal(panel.axes[2]?.label ?? "z")} %{z:.5g}<extra>${literal(series.label)}</extra>` }];
        // What is known of few points are bars, of many a ribbon.
        const tree = series.kind === "tree", few = series.x.length < SPARSE, ends = few && bars(series, ink);
        const around = !few && (series.low || series.high) ? [{ ...common, ...ribbon(series, ink), showlegend: false }] : [];
        const trace = { ...common, type: "scatter", mode: ends ? "lines+markers" : "lines", x: series.x, y: series.y, error_y: ends || undefined,
          marker: { size: 6 }, line: { color: ink, width: tree ? 1.25 : series.null ? 1.5 : 2, dash: DASHES[series.null] ?? "dashdot" } };
        if (series.names.length) trace.text = series.names.map(literal);
        if (tree) trace.hovertemplate = `${series.names.length ? "<b>%{text}</b><br>" : ""}%{y:.5g}<extra>${literal(series.label)}</extra>`;
        return [...around, trace];
      }
    }
  });
}

function axis(spec) {
  if (!spec.label) return { range: spec.range, visible: false }; // only the order along it means something
  const log = spec.log;
  const range = spec.range?.map((end) => (log ? Math.log10(end) : end));
  const decades = log && range ? range[1] - range[0] : 0;
  return {
    title: { text: literal(spec.label), standoff: 8 }, type: log ? "log" : "linear", range, exponentformat: "power",
    dtick: log ? (decades > 8 ? 2 : decades > 2.2 ? 1 : "D2") : spec.whole && range && range[1] - range[0] < 8 ? 1 : undefined,
    tickformat: log && decades <= 2.2 ? "~g" : undefined, // else the 5 of 0.05 would stand alone
    nticks: log ? undefined : 7,
    tickfont: { size: log ? 10.5 : 12 }, // Plotly enlarges powers of ten
    ticks: "outside", ticklen: 5, tickcolor: colour("soft"), linecolor: colour("soft"), showline: true, zeroline: false,
    minor: log ? { ticks: "outside", ticklen: 3, tickcolor: colour("soft"), showgrid: false } : undefined,
    gridcolor: colour("grid"), automargin: true,
  };
}

function space(spec) {
  const { type, range } = axis(spec ?? { label: "" });
  const bare = !spec?.label;
  return { title: { text: spec?.label ?? "", font: { size: 11 } }, type, // in space texts are pixels: no HTML is read in them
    range, nticks: 5, showticklabels: !bare, ticks: "", tickfont: { size: 10, color: colour("soft") },
    gridcolor: colour("line"), linecolor: colour("line"), showline: true, zeroline: false, showspikes: false, showbackground: false };
}

function layout(panel, width) {
  const inks = report.inks[isDark() ? "dark" : "light"];
  const of = (kind) => panel.series.filter((series) => series.kind === kind);
  const level = (at) => (panel.axes[1].log ? Math.log10(at) : at); // texts, unlike shapes, stand where their logarithm is
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("ink") };
  const [x, y, z] = panel.solid ? [0, 1, 2].map((which) => space(panel.axes[which])) : panel.axes.map(axis);
  return {
    ...(panel.solid ? { scene: { xaxis: x, yaxis: y, zaxis: z, aspectmode: "manual", aspectratio: { x: 1, y: 1, z: 0.85 }, camera: camera(width < 480 ? 1.25 : 1), dragmode: "turntable" } } : { xaxis: x, yaxis: y }),
    uirevision: "kept", // a change of colours leaves the view as it was turned
    shapes: [
      ...of("vline").flatMap((series) => series.x.map((at) => ({ type: "line", x0: at, x1: at, y0: 0, y1: 1, yref: "paper", layer: "above",
        line: { color: inks[series.ink], width: 1.25, dash: "dash" } }))),
      ...of("hline").flatMap((series) => series.y.map((at) => ({ type: "line", x0: 0, x1: 1, xref: "paper", y0: at, y1: at, layer: "below",
        line: { color: inks[series.ink], width: 1, dash: "dash" } }))),
    ],
    annotations: of("hline").flatMap((series) => series.y.map((at) => ({ text: literal(series.label), showarrow: false, x: 0, xref: "paper", xanchor: "left",
      y: level(at), yanchor: "bottom", font: { size: 11, color: colour("soft") } }))),
    margin: panel.solid ? { l: 0, r: 0, t: 0, b: 0 } : { l: 52, r: 8, t: 8, b: 40 },
    font, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: panel.solid ? 10 : 11 }, bgcolor: "rgba(0,0,0,0)",
      itemsizing: panel.solid ? "constant" : "trace" },
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { ...font, size: 12 }, namelength: -1 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("ink") },
    hovermode: "closest", dragmode: panel.solid ? "turntable" : "zoom",
  };
}

// A model is its owner's: nothing here may send a figure anywhere.
const CONFIG = { displaylogo: false, showSendToCloud: false, showEditInChartStudio: false, responsive: true, plotlyServerURL: "", topojsonURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "resetCameraLastSave3d", "hoverClosest3d"], toImageButtonOptions: { format: "svg" } };

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) {
    seen.unobserve(entry.target);
    entry.target.draw();
  }
}, { rootMargin: "300px" });

function makePlot(wanted, { outcomeOf = () => "", onpick = null } = {}) {
  const finite = wanted.series.some((series) => !series.z || series.z.flat().some(Number.isFinite));
  if (!finite) return element("figure", { class: "panel" }, element("h4", {}, wanted.title), element("p", { class: "note" }, "There is nothing finite to draw."));
  const panel = wanted.solid && !hasSpace ? fromTheSide(wanted) : wanted;
  const node = element("div", { class: "plot", role: "img", "aria-label": panel.title });
  let listening = false;
  node.draw = () => {
    Plotly.react(node, traces(panel, outcomeOf), layout(panel, node.clientWidth), { ...CONFIG, toImageButtonOptions: { format: "svg", filename: panel.title } });
    if (!listening) {
      if (onpick) node.on("plotly_click", ({ points: [point] }) => point.customdata && onpick(point.customdata));
      if (panel.solid) node.on("plotly_relayout", (change) => change["scene.camera"] && node.turned?.(change["scene.camera"]));
    }
    listening = true;
  };
  if (panel.solid) {
    // The wheel turns the page, and zooms only what was taken hold of.
    let held = false;
    node.addEventListener("pointerdown", () => { held = true; });
    node.addEventListener("pointerleave", () => { held = false; });
    node.addEventListener("wheel", (event) => held || event.stopPropagation(), { capture: true, passive: true });
  }
  plots.add(node);
  seen.observe(node);
  const tall = panel.large || panel.series.some((series) => series.kind === "tree") || new Set(panel.series.map((series) => series.label)).size > 5;
  const kind = wanted.solid ? "solid" : tall ? "tall" : ""; // a tree needs room, and so does a long legend
  const flat = panel === wanted ? [] : [element("p", { class: "note" }, "This is a picture in space, seen from the side: this browser has no WebGL to draw it.")];
  const caption = panel.caption ? [element("figcaption", {}, panel.caption)] : [];
  return element("figure", { class: `panel ${kind}` }, element("h4", {}, panel.title), node, ...flat, ...caption);
}

// Pictures that are compared are looked at from the same side, whichever of them is turned.
function turnTogether(nodes) {
  for (const node of nodes) node.turned = (camera) => {
    for (const other of nodes) {
      const scene = other._fullLayout?.scene;
      const asked = scene && JSON.stringify(scene.camera.eye) !== JSON.stringify(camera.eye); // else it is its own echo
      if (asked) Plotly.relayout(other, { "scene.camera": camera });
    }
  };
}

function forget(host) {
  for (const node of host.querySelectorAll(".panel > .plot")) {
    plots.delete(node);
    seen.unobserve(node);
    Plotly.purge(node);
  }
}

function repaint() {
  for (const node of plots) if (node.classList.contains("js-plotly-plot")) node.draw();
}
night.addEventListener("change", repaint);
addEventListener("beforeprint", () => { printing = true; repaint(); });
addEventListener("afterprint", () => { printing = false; repaint(); });
