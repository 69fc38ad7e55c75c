"use strict";
// Panels of series, drawn by kind. What is far down the page is drawn when it comes into view.

const plots = new Set();
const paper = matchMedia("print");
const night = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => night.matches && !paper.matches && !printing;
let printing = false;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const faint = (hex, alpha) => hex + Math.round(255 * alpha).toString(16).padStart(2, "0");
// Plotly reads a little HTML in its texts: a name may hold some that is not ours.
const literal = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function traces(panel, outcomeOf) {
  const inks = report.inks[isDark() ? "dark" : "light"];
  const logY = panel.axes[1]?.log;
  const floor = logY ? (panel.axes[1].range?.[0] ?? 1e-12) / 10 : 0;
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
      case "band": {
        const edge = { ...common, type: "scatter", mode: "lines", line: { width: 0, color: ink }, hoverinfo: "skip", hovertemplate: null };
        const band = [{ ...edge, x: series.x, y: series.low, showlegend: false },
          { ...edge, x: series.x, y: series.high, fill: "tonexty", fillcolor: faint(ink, 0.22) }];
        return [...band, { ...common, type: "scatter", mode: "lines", x: series.x, y: series.y, showlegend: false,
          line: { color: ink, width: 1.25, dash: "dot" } }];
      }
      case "scatter": {
        const named = series.names.length > 0;
        const fills = named && series.names.map((name) => colour(outcomeOf(name) || "soft"));
        const some = series.x.length < 60;
        const trace = { ...common, type: "scatter", mode: "markers", x: series.x, y: series.y,
          marker: { color: named ? fills : ink, size: named ? 7 : some ? 6 : 4, opacity: named ? 0.9 : 0.8, line: { width: 0 } } };
        if (named) {
          trace.text = series.names.map(literal);
          trace.customdata = series.names;
          trace.hovertemplate = `<b>%{text}</b><br>%{x:.4g}, %{y:.4g}<extra></extra>`;
          trace.showlegend = false;
        }
        if (series.high || series.low) trace.error_y = { type: "data", symmetric: false, thickness: 1, width: 0, color: faint(named ? colour("soft") : ink, 0.55),
          array: series.y.map((y, i) => (series.high?.[i] ?? y) - y), arrayminus: series.y.map((y, i) => y - (series.low?.[i] ?? y)) };
        return [trace];
      }
      case "vline":
        // The line itself is a shape, so that it is as tall as the picture; this is its entry in the legend.
        return [{ ...common, type: "scatter", mode: "lines", x: [null], y: [null], line: { color: ink, width: 1.25, dash: "dash" } }];
      case "scatter3d":
        return [{ ...common, type: "scatter3d", mode: "markers", x: series.x, y: series.y, z: series.z, marker: { color: ink, size: 3 }, hovertemplate: null }];
      case "surface":
        return [{ ...common, type: "surface", x: series.x, y: series.y, z: series.z, showscale: false, colorscale: "Cividis", hovertemplate: null }];
      default: // line, tree
        return [{ ...common, type: "scatter", mode: "lines", x: series.x, y: series.y, line: { color: ink, width: series.kind === "tree" ? 1 : 2 } }];
    }
  });
}

function axis(spec) {
  const log = spec.log;
  const range = spec.range?.map((end) => (log ? Math.log10(end) : end));
  const decades = log && range ? range[1] - range[0] : 0;
  return {
    title: { text: literal(spec.label), standoff: 8 }, type: log ? "log" : "linear", range, exponentformat: "power",
    dtick: log ? (decades > 8 ? 2 : decades > 2.2 ? 1 : "D2") : spec.whole && range && range[1] - range[0] < 8 ? 1 : undefined,
    nticks: log ? undefined : 7,
    tickfont: { size: log ? 10.5 : 12 }, // Plotly enlarges powers of ten
    ticks: "outside", ticklen: 5, tickcolor: colour("soft"), linecolor: colour("soft"), showline: true, zeroline: false,
    minor: log ? { ticks: "outside", ticklen: 3, tickcolor: colour("soft"), showgrid: false } : undefined,
    gridcolor: colour("grid"), automargin: true,
  };
}

function space(flat) {
  return { title: flat?.title, gridcolor: colour("line"), color: colour("soft"), zeroline: false, showbackground: false };
}

function layout(panel) {
  const inks = report.inks[isDark() ? "dark" : "light"];
  const lines = panel.series.filter((series) => series.kind === "vline");
  const [x, y, z] = panel.axes.map(axis);
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("ink") };
  const solid = panel.series.some((series) => ["scatter3d", "surface"].includes(series.kind));
  return {
    ...(solid ? { scene: { xaxis: space(x), yaxis: space(y), zaxis: space(z), aspectmode: "cube",
      camera: { eye: { x: 1.6, y: 1.6, z: 0.9 } } } } : { xaxis: x, yaxis: y }),
    shapes: lines.flatMap((series) => series.x.map((at) => ({ type: "line", x0: at, x1: at, y0: 0, y1: 1, yref: "paper", layer: "above",
      line: { color: inks[series.ink], width: 1.25, dash: "dash" } }))),
    margin: { l: 52, r: 8, t: 8, b: 40 }, font, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 11 }, bgcolor: "rgba(0,0,0,0)" },
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { ...font, size: 12 }, namelength: -1 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("ink") },
    hovermode: "closest", dragmode: "zoom",
  };
}

// A model is its owner's: nothing here may send a figure anywhere.
const CONFIG = { displaylogo: false, showSendToCloud: false, showEditInChartStudio: false, responsive: true, plotlyServerURL: "", topojsonURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], toImageButtonOptions: { format: "svg" } };

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) {
    seen.unobserve(entry.target);
    entry.target.draw();
  }
}, { rootMargin: "300px" });

function makePlot(panel, { outcomeOf = () => "", onpick = null } = {}) {
  const node = element("div", { role: "img", "aria-label": panel.title });
  let listening = false;
  node.draw = () => {
    Plotly.react(node, traces(panel, outcomeOf), layout(panel), { ...CONFIG, toImageButtonOptions: { format: "svg", filename: panel.title } });
    if (onpick && !listening) node.on("plotly_click", (event) => onpick(event.points[0].customdata));
    listening = true;
  };
  plots.add(node);
  seen.observe(node);
  return element("figure", { class: "panel" }, element("h4", {}, panel.title), node);
}

function forget(host) {
  for (const node of host.querySelectorAll(".panel > div")) {
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
