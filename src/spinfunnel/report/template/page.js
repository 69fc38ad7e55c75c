"use strict";
// Put the findings on the page: strips, tables with a pane for the row picked, panels, images.

const tables = new Map();

function paint(image) {
  const pixels = image.array;
  const canvas = element("canvas", { width: pixels[0].length, height: pixels.length, role: "img", "aria-label": image.label });
  const context = canvas.getContext("2d");
  const data = context.createImageData(canvas.width, canvas.height);
  pixels.flat().forEach((pixel, i) => {
    const [r, g, b] = Array.isArray(pixel) ? pixel : [pixel, pixel, pixel];
    data.data.set([255 * r, 255 * g, 255 * b, 255], 4 * i);
  });
  context.putImageData(data, 0, 0);
  return element("figure", {}, canvas, element("figcaption", {}, image.label));
}

function values(table, i) {
  const list = element("dl", { class: "values" });
  for (const column of table.columns) {
    const text = measured(table, column, i, 4);
    if (text === "") continue;
    const ends = interval(table, column, i, 4);
    list.append(element("div", { class: column.kind === "text" || ends ? "text" : "" },
      element("dt", {}, column.title), element("dd", {}, ends ? `${text} ${ends}` : text)));
  }
  return list;
}

function detail(pane, finding, i) {
  const table = finding.layers;
  const open = pane.querySelector("details")?.open;
  forget(pane);
  pane.replaceChildren(
    element("h4", { class: table.names[i].length > 200 ? "long" : "" }, element("bdi", {}, table.names[i])),
    ...(table.outcomes ? [element("p", { class: "why" }, chip(table.outcomes[i], table.label?.[i] ?? ""), table.reason?.[i] ? ` ${table.reason[i]}` : "")] : []),
    ...(finding.panels[i] ?? []).map((panel) => makePlot(panel)),
  );
  if (!finding.panels[i] && finding.left_out) pane.append(element("p", { class: "note" },
    `To keep this file small it holds no pictures for ${finding.left_out} rows, those that stand out least.`));
  pane.append(element("details", open ? { open: "" } : {}, element("summary", {}, "All values of this matrix"), values(table, i)));
}

for (const finding of report.findings) {
  const host = document.getElementById(finding.id);
  const at = new Map(finding.layers?.names.map((name, i) => [name, i]));
  const show = (name) => at.has(name) && tables.get(finding.id)?.show(at.get(name));
  const outcomeOf = (name) => finding.layers?.outcomes?.[at.get(name)];
  host.querySelector(".wide").append(...finding.wide.flatMap((group) => {
    const made = group.map((panel) => makePlot(panel, { outcomeOf, onpick: show }));
    const above = group.length === 1 ? fromAbove(group[0]) : null;
    if (made.length === 1) return above ? [made[0], makePlot(above)] : made;
    turnTogether(made.flatMap((one) => [...one.querySelectorAll(".plot")]));
    return element("div", { class: "compared" }, ...made);
  }));
  host.querySelector(".images").append(...finding.images.map(paint));
  const drawn = Object.keys(finding.panels).length > 0;
  if (finding.layers && !drawn) {
    // Nothing to draw of a row: the table has the width, and says all there is to say in it.
    host.querySelector(".pair").classList.add("plain");
    const whole = finding.layers.reason?.some((reason) => reason) ? { ...finding.layers,
      columns: [{ key: REASON, title: "reason", kind: "text", low: "", high: "", error: "" }, ...finding.layers.columns],
      cells: { ...finding.layers.cells, [REASON]: finding.layers.reason } } : finding.layers;
    let list = host.querySelector(".list");
    if (whole.outcomes?.every((outcome) => outcome === "good")) {
      const folded = element("details", {}, element("summary", {}, `All ${whole.names.length} rows`), element("div"));
      list.append(folded);
      list = folded.lastChild;
    }
    const table = makeTable(list, whole, { brief: true });
    tables.set(finding.id, { show: (i) => { list.parentNode.open = true; table.show(i); } });
  } else if (finding.layers) {
    const pane = host.querySelector(".detail");
    tables.set(finding.id, makeTable(host.querySelector(".list"), finding.layers, { brief: true, onpick: (i) => detail(pane, finding, i) }));
  }
  Object.values(finding.others).forEach((table, i) => makeTable(host.querySelectorAll(".other > div")[i], table));
}
if (report.account) makeTable(document.querySelector("#tensors > div"), report.account);

// One strip an instrument, one cell a matrix, all strips in the same order; where there are more matrices
// than pixels, a cell shows the worst of its neighbours.
const strips = report.findings.filter((finding) => finding.layers?.outcomes && finding.layers.names.length);
const names = [...new Set(strips.flatMap((finding) => finding.layers.names))];
const MOST = 600;
const tip = document.getElementById("tip");

function strip(finding) {
  const table = finding.layers;
  const at = new Map(table.names.map((name, i) => [name, i]));
  const size = Math.ceil(names.length / MOST);
  const counts = new Map();
  table.outcomes.forEach((outcome, i) => {
    const key = JSON.stringify([outcome, table.label[i]]);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  });
  const says = [...counts].map(([key, n]) => [...JSON.parse(key), n])
    .sort((a, b) => SEVERITY.indexOf(a[0]) - SEVERITY.indexOf(b[0]) || b[2] - a[2]);
  const cells = element("div", { class: `cells ${names.length > 150 ? "dense" : ""}`, role: "img",
    "aria-label": says.map(([, label, n]) => `${n} ${label}`).join(", ") });
  for (let from = 0; from < names.length; from += size) {
    const rows = names.slice(from, from + size).map((name) => at.get(name)).filter((i) => i !== undefined);
    rows.sort((i, j) => SEVERITY.indexOf(table.outcomes[i]) - SEVERITY.indexOf(table.outcomes[j]));
    const cell = element("i", { class: rows.length ? table.outcomes[rows[0]] : "" });
    if (rows.length) cell.row = rows[0];
    cells.append(cell);
  }
  cells.addEventListener("mousemove", (event) => {
    const row = event.target.row;
    tip.hidden = row === undefined;
    if (tip.hidden) return;
    tip.textContent = `${table.names[row].slice(0, 300)} · ${table.label[row]}`;
    tip.style.left = `${Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${event.clientY + 16}px`;
  });
  cells.addEventListener("mouseleave", () => { tip.hidden = true; });
  cells.addEventListener("click", (event) => {
    if (event.target.row === undefined) return;
    tables.get(finding.id).show(event.target.row);
    document.querySelector(`#${finding.id} .pair`).scrollIntoView();
  });
  return element("div", { class: "row" }, element("span", { class: "who" }, finding.name), cells,
    element("div", { class: "says" }, ...says.map(([outcome, label, n]) =>
      element("span", {}, element("i", { class: outcome }), `${n} ${label || "not judged"}`))));
}
if (strips.length) {
  const figure = document.getElementById("strip");
  figure.hidden = false;
  figure.querySelector(".rows").append(...strips.map(strip));
}
