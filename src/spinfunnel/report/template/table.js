"use strict";
// A table that sorts, filters and turns pages. Texts enter the page as text nodes only.

const MARKS = () => report.marks;
const SEVERITY = ["bad", "warning", "unsure", "info", "good", ""];
const PAGE = 20; // rows
const FEW = 4; // columns of numbers at first
const REASON = "\nreason"; // no column of a table is called that
const report = JSON.parse(document.getElementById("data").textContent);
const collate = new Intl.Collator(undefined, { numeric: true }).compare;

function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function significant(value, digits) {
  if (value === null) return "–";
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  if (magnitude < -4 || magnitude > 9) return value.toExponential(digits - 1);
  return value.toFixed(Math.max(0, digits - 1 - magnitude));
}

function written(column, value, digits) {
  if (column.kind === "text") return value;
  if (value !== null && column.kind === "integer") return Math.abs(value) < 1e12
    ? String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f") : value.toExponential(digits - 1);
  return significant(value, digits);
}

// A value with its standard error, to the place of the error's first digit; else the value alone.
function measured(table, column, i, digits) {
  const value = table.cells[column.key][i], error = column.error ? table.cells[column.error][i] : null;
  if (value === null || !(error > 0)) return written(column, value, digits);
  const places = Math.max(0, -Math.floor(Math.log10(error)));
  if (places > 9) return `${significant(value, 4)} ± ${error.toExponential(0)}`;
  return `${value.toFixed(places)} ± ${error.toFixed(places)}`;
}

function interval(table, column, i, digits) {
  const ends = [column.low, column.high].map((key) => (key ? table.cells[key][i] : null));
  if (ends.every((end) => end === null)) return "";
  return `[${ends.map((end) => significant(end, digits)).join(", ")}]`;
}

// The end of a name tells most, so it stays; what does not fit is left out before it.
function cut(name, short) {
  const letters = Array.from(short);
  const at = letters.length > 20 ? letters.length - 14 : letters.length;
  return element("span", { class: "cut", title: name },
    element("span", { class: "head" }, letters.slice(0, at).join("")),
    element("span", { class: "tail" }, letters.slice(at).join("")));
}

function spark(levels) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", `0 0 ${4 * levels.length} 18`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(ns, "path");
  path.setAttribute("d", Array.from(levels, (level, i) =>
    level === "0" ? "" : `M${4 * i},18v${-2.2 * level}h3.4v${2.2 * level}z`).join(""));
  svg.append(path);
  return svg;
}

function chip(outcome, label) {
  return element("span", { class: `chip ${outcome}` }, `${MARKS()[outcome] ?? ""} ${label || outcome}`.trim());
}

// `brief` shows the reason, where it is a column, and the first few numbers, until all are asked for.
function makeTable(host, table, { onpick = null, brief = false } = {}) {
  const count = table.names.length;
  const state = { key: table.outcomes ? "outcome" : "", up: true, text: "", labels: new Set(), page: 0, all: false, picked: -1 };
  const shown = () => {
    if (state.all) return table.columns;
    if (!brief) return table.columns;
    const numbers = table.columns.filter((column) => column.kind !== "text");
    return [...table.columns.filter((column) => column.key === REASON), ...numbers.slice(0, FEW)];
  };
  const searchable = table.names.map((name, i) => [name, table.label?.[i], table.outcomes?.[i], table.reason?.[i],
    ...table.columns.filter((column) => column.kind === "text").map((column) => table.cells[column.key][i])].join("\n").toLowerCase());

  function value(key, i) {
    if (key === "name") return table.names[i];
    if (key === "outcome") return SEVERITY.indexOf(table.outcomes[i]);
    return table.cells[key][i];
  }
  function order() {
    const rows = [];
    for (let i = 0; i < count; i++) {
      if (state.text && !searchable[i].includes(state.text)) continue;
      if (state.labels.size && !state.labels.has(table.label[i])) continue;
      rows.push(i);
    }
    if (!state.key) return rows;
    const sign = state.up ? 1 : -1;
    return rows.sort((i, j) => {
      const [a, b] = [value(state.key, i), value(state.key, j)];
      if (a === null || b === null) return (a === null) - (b === null) || i - j; // unknown comes last
      return sign * (typeof a === "number" ? a - b : collate(a, b)) || i - j;
    });
  }

  const head = element("tr");
  const body = element("tbody");
  const said = element("output");
  const back = element("button", { type: "button", onclick: () => turn(-1) }, "Previous");
  const next = element("button", { type: "button", onclick: () => turn(1) }, "Next");
  const search = element("input", { type: "search", placeholder: "Filter", "aria-label": "filter rows",
    oninput: () => { state.text = search.value.trim().toLowerCase(); state.page = 0; render(); } });
  const tools = element("div", { class: "tools" }, search);
  const counts = new Map();
  (table.label ?? []).forEach((label, i) => {
    const seen = counts.get(label) ?? { n: 0, outcome: table.outcomes[i] };
    seen.n++;
    counts.set(label, seen);
  });
  if (counts.size > 1) {
    const words = [...counts].sort((a, b) => SEVERITY.indexOf(a[1].outcome) - SEVERITY.indexOf(b[1].outcome));
    for (const [label, { n, outcome }] of words) {
      const button = element("button", { type: "button", "aria-pressed": "false", onclick: () => {
        if (!state.labels.delete(label)) state.labels.add(label);
        button.setAttribute("aria-pressed", state.labels.has(label));
        state.page = 0;
        render();
      } }, `${MARKS()[outcome] ?? ""} ${label} ${n}`);
      tools.append(button);
    }
  }
  if (table.columns.length > shown().length) {
    const button = element("button", { type: "button", class: "end", "aria-pressed": "false", onclick: () => {
      state.all = !state.all;
      button.setAttribute("aria-pressed", state.all);
      render();
    } }, "All columns");
    tools.append(button);
  }
  const pager = element("div", { class: "pager" }, said, back, next);
  host.replaceChildren(tools, element("div", { class: "scroll" },
    element("table", { class: onpick ? "pickable" : table.first === "row" ? "numbered" : "" }, element("thead", {}, head), body)), pager);

  function turn(step) {
    state.page += step;
    render();
  }
  function heading(key, text, kind) {
    const sorted = state.key === key ? (state.up ? "ascending" : "descending") : null;
    return element("th", { class: kind, scope: "col", "aria-sort": sorted }, element("button", { type: "button", "data-key": key, onclick: () => {
      // The first click on a number shows the largest.
      state.up = state.key === key ? !state.up : kind !== "number";
      state.key = key;
      state.page = 0;
      render();
      head.querySelector(`[aria-sort] button`)?.focus();
    } }, text));
  }
  function render() {
    const rows = order();
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    state.page = Math.min(Math.max(0, state.page), pages - 1);
    const from = state.page * PAGE;
    head.replaceChildren(heading("name", table.first, "name"));
    if (table.outcomes) head.append(heading("outcome", "verdict", "verdict"));
    if (table.sparks) head.append(element("th", { class: "spark", "aria-label": "histogram" }));
    for (const column of shown()) head.append(heading(column.key, column.title, column.kind === "text" ? "text" : "number"));
    body.replaceChildren(...rows.slice(from, from + PAGE).map(line));
    said.value = rows.length === count && pages === 1 ? `${count} rows`
      : rows.length ? `${from + 1}–${Math.min(from + PAGE, rows.length)} of ${rows.length}` : "No row matches.";
    if (rows.length < count && rows.length) said.value += ` (filtered from ${count})`;
    back.hidden = next.hidden = pages === 1;
    back.disabled = state.page === 0;
    next.disabled = state.page === pages - 1;
  }
  function line(i) {
    const row = element("tr", { "data-row": i }, element("td", { class: "name" }, cut(table.names[i], brief && !state.all ? table.short[i] : table.names[i])));
    if (table.outcomes) row.append(element("td", { class: "verdict" }, chip(table.outcomes[i], table.label?.[i])));
    if (table.sparks) row.append(element("td", { class: "spark" }, table.sparks[i] ? spark(table.sparks[i]) : ""));
    for (const column of shown()) {
      const text = measured(table, column, i, 3);
      const ends = interval(table, column, i, 3);
      row.append(element("td", { class: column.kind === "text" ? "text" : "number", title: column.kind === "text" ? text : null },
        text, ends && state.all ? element("small", {}, ends) : null));
    }
    row.setAttribute("aria-selected", i === state.picked);
    if (onpick) {
      row.tabIndex = 0;
      row.addEventListener("click", () => pick(i));
      row.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") pick(i);
        else if (event.key === "ArrowDown") row.nextElementSibling?.focus();
        else if (event.key === "ArrowUp") row.previousElementSibling?.focus();
        else return;
        event.preventDefault();
      });
    }
    return row;
  }
  function pick(i) {
    state.picked = i;
    for (const row of body.children) row.setAttribute("aria-selected", Number(row.dataset.row) === i);
    onpick?.(i);
  }
  // Show row i, on whatever page it is, even if a filter hides it now.
  function show(i) {
    if (!order().includes(i)) {
      state.text = search.value = "";
      state.labels.clear();
      tools.querySelectorAll("[aria-pressed=true]").forEach((button) => button.setAttribute("aria-pressed", "false"));
      state.all = false;
    }
    state.page = Math.floor(order().indexOf(i) / PAGE);
    render();
    pick(i);
  }
  render();
  if (onpick && count) pick(order()[0]);
  return { show };
}
