// A tensor as a person reads it: a number, a small table of numbers, or a heat map whose entries a pointer
// or the arrow keys read.

import { make } from "chainrule/elements";
import { bracketed, dimensions, many, short, spokenDimensions } from "chainrule/numbers";
import { entry, scalar } from "chainrule/store";

const MOST_ROWS = 10, MOST_SMALL_ROWS = 5;
const COLUMN = 62; // pixels of a printed number
const MOST_MAP = { rows: 40, columns: 64 };

/** Colours of the scale: green above zero, purple below, both deeper with size; NaN and ∞ stand out. */
const POSITIVE = { light: [27, 120, 55], dark: [110, 200, 125] };
const NEGATIVE = { light: [118, 42, 131], dark: [205, 140, 220] };
const GROUND = { light: [243, 243, 240], dark: [36, 42, 51] };

const scheme = () => (matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches ? "dark" : "light");

/** The colour of a number beside the largest size of its tensor. */
export function colour(x, largest) {
  const name = scheme();
  if (!Number.isFinite(x)) return name === "dark" ? [255, 120, 90] : [200, 40, 20];
  const strength = largest > 0 ? Math.min(1, Math.abs(x) / largest) ** 0.75 : 0;
  const end = (x < 0 ? NEGATIVE : POSITIVE)[name];
  return GROUND[name].map((from, k) => Math.round(from + (end[k] - from) * strength * 0.92));
}

const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
const linear = (channel) => (channel <= 10 ? channel / 3294.6 : ((channel / 255 + 0.055) / 1.055) ** 2.4);

/** Relative luminance, from which contrast is reckoned. */
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

/** The largest size among a view's finite entries. */
const largestOf = ({ stats }) => Math.max(Math.abs(stats.min ?? 0), Math.abs(stats.max ?? 0));

/** Which rows (or columns) are shown: all, or the first and the last of them, as far as they are kept. */
export function shown(count, kept, most) {
  const all = kept ?? Array.from({ length: count }, (_, k) => k);
  if (all.length <= most && !kept) return all;
  const half = Math.floor(Math.min(most, all.length) / 2);
  return [...all.slice(0, half), ...all.slice(all.length - half)];
}

/** A small picture of a tensor for the graph. */
export function thumbnail(view, widest, tallest) {
  const across = Math.min(view.columns?.length ?? view.width, 26);
  const down = Math.min(view.rows?.length ?? view.height, 9);
  const canvas = make("canvas", { width: Math.max(across, 1), height: Math.max(down, 1) });
  const pen = canvas.getContext("2d"), largest = largestOf(view);
  const row = (k) => Math.floor((k * (view.rows?.length ?? view.height)) / down);
  const column = (k) => Math.floor((k * (view.columns?.length ?? view.width)) / across);
  for (let r = 0; r < down; r += 1) {
    for (let c = 0; c < across; c += 1) {
      const x = Number(view.data[row(r) * (view.columns?.length ?? view.width) + column(c)]);
      pen.fillStyle = css(colour(x, largest));
      pen.fillRect(c, r, 1, 1);
    }
  }
  return { url: canvas.toDataURL(), width: Math.max(8, Math.min(widest, across * 6)), height: Math.max(6, Math.min(tallest, down * 6)) };
}

/** `min −0.3 · max 2 · norm 4.1`, and what is not finite. */
export function statistics({ stats, dtype }) {
  const parts = [`min ${stats.min === null ? "–" : short(stats.min)}`, `max ${stats.max === null ? "–" : short(stats.max)}`];
  if (dtype !== "bool") parts.push(`norm ${short(stats.norm)}`);
  const { nan, inf } = stats.nonfinite;
  if (stats.zeros) parts.push(many(stats.zeros, "zero"));
  parts.push(nan + inf ? `⚠ not finite: ${nan} NaN, ${inf} ∞` : "all finite");
  return parts.join(" · ");
}

/**
 * A tensor for reading.
 * @param {import("chainrule/store").View} view
 * @param {{name: string, hidden?: boolean, small?: boolean, lit?: Set<number>|"all"|null,
 *   choose?: (flat: number) => void, chosen?: number|null}} options `choose` is called for an entry that is
 *   clicked or entered; `lit` are the entries to mark
 */
export function tensorView(view, { name, hidden = false, small = false, lit = null, choose = null, chosen = null }) {
  if (hidden) return make("span", { class: "number hidden-number", "aria-label": `${name}: hidden` }, "?");
  const number = scalar(view);
  if (number !== null) {
    const text = view.shape.length ? `[${short(number, 6)}]` : short(number, 6);
    const mark = (lit && (lit === "all" || lit.has(0))) || chosen === 0;
    if (!choose) return make("span", { class: `number${mark ? " lit" : ""}` }, text);
    return make("button", { type: "button", class: `number${mark ? " lit" : ""}`, "aria-pressed": String(chosen === 0),
      title: "light what it came from", onclick: () => choose(0) }, text);
  }
  if (!view.data.length) return make("p", { class: "quiet" }, `no entries (${dimensions(view.shape)})`);
  const room = roomFor(small), grid = { name, lit, choose, chosen, view };
  const printed = view.height <= (small ? MOST_SMALL_ROWS : MOST_ROWS) && view.width * COLUMN <= room;
  const drawn = printed ? table(grid) : map(grid, small, room);
  if (small) return drawn;
  return make("div", { class: "tensor" }, drawn, make("p", { class: "stats" }, statistics(view)));
}

/** Pixels across that a tensor may take in the panel: a third of it beside two others. */
function roomFor(small) {
  const width = (document.getElementById("panel")?.clientWidth ?? 480) - 46;
  return small ? Math.max(76, Math.min(190, (width - 92) / 3 - 20)) : Math.min(width - 24, 620);
}

const isLit = ({ lit, chosen }, flat) => chosen === flat || (lit !== null && (lit === "all" || lit.has(flat)));

/** Small enough to print every number. */
function table(grid) {
  const { view, name } = grid, largest = largestOf(view);
  const cells = [];
  const body = Array.from({ length: view.height }, (_, row) => make("tr", { role: "row" },
    ...Array.from({ length: view.width }, (_, column) => {
      const flat = row * view.width + column, x = entry(view, row, column), back = colour(x, largest);
      const cell = make("td", {
        role: "gridcell", tabindex: flat ? -1 : 0, class: isLit(grid, flat) ? "lit" : "",
        "aria-label": `${bracketed(flat, view.shape)} ${short(x, 6)}${isLit(grid, flat) ? ", lit" : ""}`,
      }, short(x));
      cell.style.background = css(back);
      cell.style.color = luminance(back) > 0.179 ? "#000" : "#fff";
      cells.push(cell);
      return cell;
    })));
  const holder = make("table", { role: "grid", class: `cells${view.shape.length === 1 ? " vector" : ""}`,
    "aria-label": `${name}, ${spokenDimensions(view.shape)}` }, make("tbody", {}, ...body));
  const at = (event) => cells.indexOf(event.target.closest("td"));
  holder.addEventListener("click", (event) => { if (grid.choose && at(event) >= 0) grid.choose(at(event)); });
  holder.addEventListener("keydown", (event) => {
    const from = at(event), to = moved(event.key, from, view.width, cells.length);
    if (event.key === "Enter" || event.key === " ") grid.choose?.(from);
    else if (to === null) return;
    else {
      cells[from].tabIndex = -1;
      cells[to].tabIndex = 0;
      cells[to].focus();
    }
    event.preventDefault();
    event.stopPropagation();
  });
  return make("div", { class: "brackets" }, holder);
}

function moved(key, from, width, count) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width }[key];
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (step === undefined) return null;
  const to = from + step;
  return to >= 0 && to < count ? to : from;
}

/** A canvas, a cell an entry; the first and the last rows and columns where there are too many. */
function map(grid, small, room) {
  const { view, name } = grid, largest = largestOf(view);
  const least = small ? 4 : 5, most = small ? { rows: 14, columns: Math.floor((room - 10) / least) } : MOST_MAP;
  const rows = shown(view.height, view.rows, most.rows), columns = shown(view.width, view.columns, most.columns);
  const side = Math.max(least, Math.min(small ? 14 : 24, Math.floor((room - 10) / columns.length), Math.max(small ? 5 : 9, Math.floor((small ? 110 : 420) / rows.length))));
  // A gap where rows or columns are left out, a small one between the matrices of a stack.
  const slice = view.shape.length > 2 ? view.shape[view.shape.length - 2] : Infinity;
  const gap = (list, k, every) => (k === 0 ? 0 : list[k] !== list[k - 1] + 1 ? 10 : list[k] % every === 0 ? 4 : 0);
  const starts = (list, every) => {
    let place = 0;
    return list.map((_, k) => { place += gap(list, k, every); const at = place; place += side; return at; });
  };
  const left = starts(columns, Infinity), top = starts(rows, slice), ratio = Math.min(3, Math.max(1, window.devicePixelRatio || 1));
  const width = left[left.length - 1] + side, height = top[top.length - 1] + side;
  const canvas = make("canvas", { width: width * ratio, height: height * ratio, "aria-hidden": "true" });
  canvas.style.width = `${width}px`;
  const pen = canvas.getContext("2d");
  let cursor = [0, 0];
  const paint = (focus) => {
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    rows.forEach((row, r) => columns.forEach((column, c) => {
      const x = entry(view, row, column), line = side > 8 ? 1 : 0, dark = scheme() === "dark";
      pen.fillStyle = css(colour(x, largest));
      pen.fillRect(left[c], top[r], side - line, side - line);
      pen.strokeStyle = pen.fillStyle = dark ? "#fff" : "#111";
      if (!Number.isFinite(x)) {
        pen.lineWidth = 1.2;
        pen.beginPath();
        pen.moveTo(left[c], top[r]);
        pen.lineTo(left[c] + side - line, top[r] + side - line);
        pen.stroke();
      } else if (x < 0 && side >= 10) pen.fillRect(left[c] + side / 2 - 2.5, top[r] + side / 2 - 1, 4, 1);
      if (isLit(grid, row * view.width + column)) {
        pen.lineWidth = side > 8 ? 2 : 1.2;
        pen.strokeStyle = dark ? "#ffd166" : "#c2410c";
        pen.strokeRect(left[c] + 1, top[r] + 1, side - line - 2, side - line - 2);
      }
    }));
    if (focus) {
      pen.lineWidth = 2;
      pen.strokeStyle = scheme() === "dark" ? "#fff" : "#000";
      pen.strokeRect(left[cursor[1]], top[cursor[0]], side, side);
    }
  };
  paint(false);
  const cut = rows.length < view.height || columns.length < view.width;
  const told = make("output", { class: "reading" });
  const rest = small ? "" : cut ? `first and last of ${dimensions(view.shape)}` : dimensions(view.shape);
  told.textContent = rest;
  const flatAt = () => rows[cursor[0]] * view.width + columns[cursor[1]];
  const read = () => {
    told.textContent = `${bracketed(flatAt(), view.shape)} = ${short(entry(view, rows[cursor[0]], columns[cursor[1]]), 6)}`;
    paint(true);
  };
  const holder = make("div", { class: "map", tabindex: 0, role: "application", "aria-roledescription": "heat map",
    "aria-label": `${name}, ${spokenDimensions(view.shape)}, ${statistics(view)}. Arrow keys read entries.` }, canvas);
  const place = (event) => {
    const box = canvas.getBoundingClientRect(), scale = width / box.width;
    const find = (list, at) => list.findIndex((start) => at >= start && at < start + side);
    return [find(top, (event.clientY - box.top) * scale), find(left, (event.clientX - box.left) * scale)];
  };
  const over = (event) => {
    const found = place(event);
    if (Math.min(...found) < 0) return false;
    cursor = found;
    read();
    return true;
  };
  holder.addEventListener("pointermove", over);
  holder.addEventListener("pointerleave", () => { if (document.activeElement !== holder) { paint(false); told.textContent = rest; } });
  holder.addEventListener("click", (event) => { if (over(event)) grid.choose?.(flatAt()); });
  holder.addEventListener("focus", read);
  holder.addEventListener("blur", () => { paint(false); told.textContent = rest; });
  holder.addEventListener("keydown", (event) => {
    const to = moved(event.key, cursor[0] * columns.length + cursor[1], columns.length, rows.length * columns.length);
    if (event.key === "Enter" || event.key === " ") grid.choose?.(flatAt());
    else if (to === null) return;
    else {
      cursor = [Math.floor(to / columns.length), to % columns.length];
      read();
    }
    event.preventDefault();
    event.stopPropagation();
  });
  return make("div", { class: "mapped" }, holder, told);
}
