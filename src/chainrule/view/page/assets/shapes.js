// One closed shape of the picture: how large it is, and its elements.
//
// Ovals are ops, shaded boxes parameters, plain text inputs and numbers; a double line says that a shape
// opens.  On the wire above a shape stand its value (right of it) and its gradient (left of it).

import { many, short } from "chainrule/numbers";
import { scalar } from "chainrule/store";
import { thumbnail } from "chainrule/heatmap";
import { svg } from "chainrule/svg";
import { dimensions } from "chainrule/numbers";

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif';
const LABEL = 15, NAME = 13.5, SMALL = 11.5, LINE = 18, MARKS = 21;
const LONGEST = 26;

const ruler = document.createElement("canvas").getContext("2d");
const known = new Map();

/** Pixels that a text takes. */
export function textWidth(text, size, weight = "") {
  const key = `${size}${weight}${text}`;
  if (!known.has(key)) {
    ruler.font = `${weight} ${size}px ${FONT}`;
    known.set(key, ruler.measureText(text).width);
  }
  return known.get(key);
}

const cut = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

/** Whether a node is a number that stands in the text as itself. */
export const plainNumber = (node) => node.kind === "constant" && !node.name && node.shape.every((side) => side === 1);

/** What a closed shape prints, and its size; `above` is the part over the shape itself. */
export function card(record, id, fold) {
  const node = id >= 0 ? record.nodes[id] : null;
  const held = fold >= 0 ? record.folds[fold] : null;
  const kind = node ? node.kind : held.kind;
  const lines = [];
  if (node) {
    const leaf = !node.inputs.length;
    const unnamed = leaf && !node.name && node.kind === "parameter";
    lines.push({ text: cut(unnamed ? node.symbol : node.label), size: LABEL, role: "label" });
    if (!leaf && node.name !== node.label) lines.push({ text: cut(node.name ?? node.symbol), size: NAME, role: node.name ? "name" : "detail" });
    const detail = attributeText(node);
    if (detail) lines.push({ text: detail, size: SMALL, role: "detail" });
  } else {
    const name = foldName(held);
    lines.push({ text: cut(name), size: LABEL, role: "label" });
    lines.push({ text: many(size(record, fold), "node"), size: SMALL, role: "detail" });
  }
  const dims = node ? (plainNumber(node) ? "" : dimensions(node.shape)) : outputDims(record, fold);
  const text = Math.max(...lines.map((line) => textWidth(line.text, line.size)));
  let width = text, height = LINE * lines.length;
  const shape = node ? (node.inputs.length ? "oval" : node.kind === "parameter" ? "box" : "text") : "fold";
  if (shape === "oval") [width, height] = [Math.max(1.18 * width + 28, 64), 1.12 * height + 16];
  else if (shape === "box") [width, height] = [Math.max(width + 26, 44), height + 14];
  else if (shape === "fold") [width, height] = [Math.max(width + 76, 130), height + 22];
  else [width, height] = [width + 8, height + 4];
  const above = dims ? (dims === "scalar" ? MARKS + 2 : MARKS + 14) : 0;
  const wings = dims ? 2 * Math.max(textWidth(dims === "scalar" ? "" : dims, SMALL) + 8, 62) : 0;
  return { kind, shape, lines, dims, width: Math.max(width, wings), height: height + above, inner: [width, height], above };
}

/** What a fold is called: `blocks × 12`. */
export function foldName({ kind, name, count }) {
  if (kind === "repeat") return `${name} × ${count}`;
  return kind === "part" && !name.includes("of") ? `nodes ${name}` : name;
}

/** Attributes as the picture prints them: `axis=1`, nothing for what the dimensions say. */
function attributeText(node) {
  const told = Object.entries(node.attributes ?? {})
    .filter(([key, value]) => key !== "shape" && !value.includes("(("))
    .map(([key, value]) => `${key}=${value.replace(/^\((.*?),?\)$/, "$1")}`)
    .join(", ");
  return told.length <= LONGEST ? told : "";
}

/** How many nodes are inside a fold, at any depth. */
export function size(record, fold) {
  const { nodes, folds } = record.folds[fold];
  return nodes.length + folds.reduce((all, inner) => all + size(record, inner), 0);
}

/** The values that leave a fold. */
export const outputs = (record, fold) => record.layouts[fold].outputs;

function outputDims(record, fold) {
  const found = outputs(record, fold);
  return found.length === 1 ? dimensions(record.nodes[found[0]].shape) : found.length ? `${found.length} values` : "";
}

/** The elements of a closed shape around its own centre (0, 0). */
export function drawShape(record, id, fold, found) {
  const [width, height] = found.inner;
  const opens = fold >= 0;
  const parts = [];
  if (found.shape === "oval") {
    parts.push(svg("ellipse", { class: "body", rx: width / 2, ry: height / 2 }));
    if (opens) parts.push(svg("ellipse", { class: "inner", rx: width / 2 - 4, ry: height / 2 - 4 }));
  } else if (found.shape === "fold") {
    const held = record.folds[fold];
    const box = (dx, dy, name) => svg("rect", { class: name, x: -width / 2 + dx, y: -height / 2 + dy, width, height, rx: 10 });
    if (held.kind === "repeat") parts.push(box(8, -8, "body under"), box(4, -4, "body under"));
    parts.push(box(0, 0, "body"));
  } else {
    // Plain text has a body too, unseen: something to point at, and to ring.
    parts.push(svg("rect", { class: "body", x: -width / 2, y: -height / 2, width, height, rx: found.shape === "box" ? 3 : 8 }));
  }
  const top = (-LINE * (found.lines.length - 1)) / 2;
  found.lines.forEach(({ text, size: points, role }, k) => {
    const whole = text.endsWith("…") ? svg("title", {}, fold >= 0 && id < 0 ? foldName(record.folds[fold]) : `${record.nodes[id].label} ${record.nodes[id].name ?? ""}`) : null;
    parts.push(svg("text", { class: role, y: top + k * LINE + 0.35 * points, "font-size": points }, text, whole));
  });
  if (opens) {
    const x = found.shape === "fold" ? width / 2 - 15 : width / 2 - 4, y = found.shape === "fold" ? -height / 2 + 15 : 0;
    parts.push(svg("g", { class: "opener", transform: `translate(${x} ${y})` },
      svg("circle", { r: 8.5 }), svg("path", { d: "M-4 0H4M0 -4V4" })));
  }
  if (found.dims && found.dims !== "scalar") {
    parts.push(svg("text", { class: "dims", x: 8, y: -height / 2 - MARKS - 3, "font-size": SMALL }, found.dims));
  }
  return parts;
}

/** A value (side 1, right of the wire) or a gradient (side −1): a number, or a small heat map. */
export function drawMark(store, place, side, height, fold = false) {
  const group = svg("g", { class: side > 0 ? "mark forward" : "mark backward", transform: `translate(${6 * side} ${-height / 2 - 12})` });
  const view = store.view(place);
  if (!view || fold === null) return group;
  const hidden = store.conceals(place);
  const number = scalar(view);
  if (number !== null || hidden) {
    const text = hidden ? "?" : short(number);
    const width = textWidth(text, 13, "600") + 12;
    group.append(
      svg("rect", { x: side > 0 ? 0 : -width, y: -9.5, width, height: 19, rx: 4 }),
      svg("text", { x: (side * width) / 2, y: 4.6, "font-size": 13 }, text),
    );
  } else {
    const { url, width, height: tall } = thumbnail(view, 52, 18);
    const x = side > 0 ? 1 : -width - 1;
    group.append(
      svg("image", { href: url, x, y: -tall / 2, width, height: tall, preserveAspectRatio: "none" }),
      svg("rect", { class: "rim", x, y: -tall / 2, width, height: tall }),
    );
  }
  return group;
}
