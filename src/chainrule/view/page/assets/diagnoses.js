// Right, or wrong in which way: an answer beside what the usual slips would have given.
//
// `look(place)` gives the tensor of a place ("value:3", "gradient:3", "local:3:0", …), null if not known.

import { strides, unravel } from "chainrule/arrays";
import { bracketed, short } from "chainrule/numbers";
import { forward, supported } from "chainrule/operations";

const LARGEST = 6; // so many terms at most are left out in every combination: 62 of them

// -- numbers ------------------------------------------------------------------------------------------------

const numbers = (tensor) => tensor && { shape: tensor.shape, data: Array.from(tensor.data, Number) };
const mapped = (x, rule) => x && { shape: x.shape, data: x.data.map(rule) };
const added = (parts) => ({ shape: parts[0].shape,
  data: parts[0].data.map((_, i) => parts.reduce((sum, part) => sum + part.data[i], 0)) });
const alike = (a, b) => a.shape.length === b.shape.length && a.shape.every((length, axis) => length === b.shape[axis]);

function transposed({ shape, data }) {
  const [rows, columns] = shape;
  return { shape: [columns, rows], data: data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]) };
}

/** Half a unit in the third digit: what an answer that was rounded to three digits may be off by. */
const thirdDigit = (x) => (x === 0 ? 0 : 0.5001 * 10 ** (Math.floor(Math.log10(Math.abs(x))) - 2));

/** A twentieth: what is still the right way, with a slip in the arithmetic. */
const twentieth = (x) => Math.abs(x) / 20;

/** Whether `a` is `b` but for rounding; `scale` is the largest of the numbers that `b` stands among. */
function near(a, b, scale, allowed = thirdDigit) {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  return Number.isFinite(a) && Number.isFinite(b) && Math.abs(a - b) <= allowed(b) + 1e-6 * scale;
}

const largest = (data) => data.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);

/** Whether the same numbers stand in both, whatever the shapes say. */
function equal(answer, wanted, allowed) {
  const scale = largest(wanted.data);
  return answer.data.length === wanted.data.length
    && answer.data.every((x, i) => near(x, wanted.data[i], scale, allowed));
}

/** The one factor between two tensors; null where there is none. */
function ratio(answer, wanted) {
  const at = wanted.data.findIndex((x) => Math.abs(x) === largest(wanted.data));
  const factor = answer.data[at] / wanted.data[at];
  if (!Number.isFinite(factor) || factor === 0) return null;
  return equal(answer, mapped(wanted, (x) => x * factor)) ? factor : null;
}

// -- what a slip would have given ------------------------------------------------------------------------------

/** A slip: its kind, what to say, and the tensor that it gives. */
const slip = (kind, message, tensor) => (tensor ? [{ kind, message, tensor }] : []);

/** The terms of a node that add up to its gradient. */
export const termsOf = (node) => node.terms.map((term, k) => ({ ...term, k })).filter(({ within }) => within == null);

/** A node as the rules write it. */
export const called = (node) => node.symbol ?? node.name ?? node.label;

/** Every choice of some but not all of the terms, those that leave out one first. */
function choices(terms) {
  const all = [];
  for (let bits = 1; bits < 2 ** terms.length - 1; bits += 1) all.push(terms.filter((_, i) => bits & (1 << i)));
  return all.sort((a, b) => b.length - a.length);
}

function slipsOfTerms(record, node, look) {
  const terms = termsOf(node).slice(0, LARGEST), name = ({ consumer }) => called(record.nodes[consumer]);
  const get = (role, { k }) => numbers(look(`${role}:${node.id}:${k}`));
  const downstream = terms.map((term) => get("downstream", term));
  if (!terms.length || downstream.includes(null)) return [];
  const sum = (role) => {
    const parts = terms.map((term) => get(role, term));
    return parts.every((part) => part && alike(part, downstream[0])) ? added(parts) : null;
  };
  const many = terms.length > 1;
  const about = (what, missing) => (many
    ? `Those are the ${what}s, added up: each is still multiplied by its ${missing}.`
    : `That is the ${what}: it is still multiplied by the ${missing}.`);
  const forgotten = [
    ...slip("upstream forgotten", about("local derivative", "upstream gradient"), sum("local")),
    ...slip("local forgotten", about("upstream gradient", "local derivative"), sum("upstream")),
  ];
  if (!many) return forgotten;
  const branches = choices(terms).map((chosen) => {
    const names = terms.filter((term) => !chosen.includes(term)).map(name).join(" and ");
    return { kind: "missing branch", tensor: added(chosen.map((term) => downstream[terms.indexOf(term)])),
      message: `A branch is missing: ${called(node)} is also used by ${names}, and that term is added.` };
  });
  return [...branches, ...forgotten, ...terms.flatMap((term, i) => slipsOfTerm(
    name(term), downstream[i], downstream.filter((_, j) => j !== i), (role) => get(role, term)))];
}

/** One term of several with a slip of its own. */
function slipsOfTerm(name, downstream, others, get) {
  const alone = (role) => {
    const part = get(role);
    return part && alike(part, downstream) ? added([...others, part]) : null;
  };
  return [
    ...slip("sign", `The sign of the term through ${name} is wrong.`, added([...others, mapped(downstream, (x) => -x)])),
    ...slip("upstream forgotten", `In the term through ${name} the upstream gradient is forgotten.`, alone("local")),
    ...slip("local forgotten", `In the term through ${name} the local derivative is forgotten.`, alone("upstream")),
  ];
}

/** Operations that are taken for one another, and operands that are exchanged. */
const CONFUSED = {
  add: ["multiply", "subtract"], multiply: ["add", "divide"], subtract: ["add"], divide: ["multiply"],
  maximum: ["minimum"], minimum: ["maximum"], sigmoid: ["tanh"], tanh: ["sigmoid"], exp: ["log"], log: ["exp"],
  square: ["sqrt"], sqrt: ["square"], max: ["min"], min: ["max"],
};
const ORDERED = new Set(["subtract", "divide", "pow", "matmul"]);

function slipsOfValue(record, node, look) {
  const inputs = node.inputs.map((id) => look(`value:${id}`));
  if (inputs.includes(null) || !supported().includes(node.op)) return [];
  const value = look(`value:${node.id}`);
  const computed = (op, operands) => {
    try {
      return numbers(forward(op, node.settings, operands, value.shape, value.dtype));
    } catch {
      return null; // shapes that only the right operation takes
    }
  };
  const found = (CONFUSED[node.op] ?? []).flatMap((op) => (
    slip("another operation", `That is what ${op} gives; the node is ${node.op}.`, computed(op, inputs))));
  if (ORDERED.has(node.op) && inputs.length === 2) {
    found.push(...slip("order", "The operands are exchanged.", computed(node.op, [inputs[1], inputs[0]])));
  }
  node.inputs.forEach((id, i) => found.push(...slip("an input",
    `That is ${called(record.nodes[id])}, an input: ${node.op} is still to be computed.`, numbers(inputs[i]))));
  return found;
}

function slipsOfLocal(record, node, k, look) {
  const { consumer, index } = node.terms[k], other = record.nodes[consumer];
  const found = [
    ...slip("upstream included", "That is upstream × local already: here the local derivative alone is asked.",
      numbers(look(`downstream:${node.id}:${k}`))),
    ...slip("upstream for local", "That is the upstream gradient: the local derivative does not know it.",
      numbers(look(`upstream:${node.id}:${k}`))),
    ...slip("value for derivative", `That is the value of ${called(other)}, not its derivative.`,
      numbers(look(`value:${consumer}`))),
  ];
  other.inputs.forEach((id, place) => {
    if (place === index) return;
    const at = record.nodes[id].terms.findIndex((term) => term.consumer === consumer && term.index === place);
    const local = at < 0 ? null : numbers(look(`local:${id}:${at}`));
    found.push(...slip("other input", `That is the derivative with respect to ${called(record.nodes[id])}; `
      + `asked is the one with respect to ${called(node)}.`, local));
  });
  return found;
}

/** The gradients of the nodes beside this one, which are as easily read off as its own. */
function slipsOfNeighbours(record, node, look) {
  const beside = node.terms.flatMap(({ consumer }) => record.nodes[consumer].inputs);
  const ids = [...new Set([...beside, ...node.inputs])].filter((id) => id !== node.id);
  return ids.flatMap((id) => slip("another node", `That is the gradient with respect to ${called(record.nodes[id])}.`,
    numbers(look(`gradient:${id}`))));
}

/** What else stands in the graph: an answer may be right, and that of another question. */
function slipsOfOthers(record, node, look) {
  const dull = ({ data }) => data.every((x) => x === 0) || data.every((x) => x === 1);
  const offer = (kind, other) => {
    const tensor = numbers(look(`${kind}:${other.id}`));
    return tensor && !dull(tensor) ? slip("another node", `That is the ${kind} of ${called(other)} (${other.op}).`, tensor) : [];
  };
  return record.nodes.filter(({ id }) => id !== node.id)
    .flatMap((other) => [...offer("value", other), ...offer("gradient", other)]);
}

/** Counts by which a mean divides: lengths of axes and numbers of elements near the node. */
function countsNear(record, node) {
  const folded = record.nodes.filter(({ op }) => op === "sum").flatMap(({ inputs }) => inputs);
  const beside = [...folded, ...node.terms.map(({ consumer }) => consumer)].map((id) => record.nodes[id]);
  const counts = [node, ...beside].flatMap(({ shape }) => [...shape, shape.reduce((a, b) => a * b, 1)]);
  return [...new Set(counts)].filter((count) => count > 1);
}

/** Every slip that is looked for, the likely ones first. */
export function slips(record, place, look) {
  const [kind, id, k] = place.split(":"), node = record.nodes[id], wanted = numbers(look(place));
  const found = [];
  const minus = slip("sign", "The sign is wrong.", mapped(wanted, (x) => -x));
  if (kind === "gradient") {
    found.push(...slipsOfTerms(record, node, look), ...minus,
      ...slip("value for gradient", `That is the value of ${called(node)}, not the gradient with respect to it.`,
        numbers(look(`value:${id}`))), ...slipsOfNeighbours(record, node, look));
  } else if (kind === "local") found.push(...minus, ...slipsOfLocal(record, node, Number(k), look));
  else {
    found.push(...minus, ...slipsOfValue(record, node, look),
      ...slip("gradient for value", "That is the gradient; asked is the value.", numbers(look(`gradient:${id}`))));
  }
  for (const count of countsNear(record, node)) {
    found.push(
      { kind: "sum instead of mean", tensor: mapped(wanted, (x) => x * count),
        message: `Too large by a factor of ${count}: a mean divides by ${count}.` },
      { kind: "mean instead of sum", tensor: mapped(wanted, (x) => x / count),
        message: `Too small by a factor of ${count}: nothing is divided by ${count} here.` },
    );
  }
  return [...found, ...slipsOfOthers(record, node, look)];
}

// -- the verdict --------------------------------------------------------------------------------------------------

const shapeText = (shape) => (shape.length ? `(${shape.join(" × ")})` : "a single number");

/** What a shape that does not fit tells; null where it fits. */
function aboutShape(answer, wanted) {
  const bare = (shape) => shape.filter((length) => length > 1).join();
  if (bare(answer.shape) === bare(wanted.shape)) return null; // vectors may be written as rows or columns
  const turned = answer.shape.length === 2 && wanted.shape.length === 2
    && answer.shape[0] === wanted.shape[1] && answer.shape[1] === wanted.shape[0];
  if (turned && equal(transposed(answer), wanted)) return { kind: "transpose", message: "Right numbers, but transposed." };
  const summed = sums(answer).find((sum) => equal(sum, wanted));
  if (summed) {
    return { kind: "not summed", message: "It was broadcast, so the gradient is summed over the axis that was repeated." };
  }
  const hint = turned ? " Is it transposed?" : "";
  return { kind: "shape", message: `The shape is ${shapeText(wanted.shape)}; yours is ${shapeText(answer.shape)}.${hint}` };
}

/** The sums of a tensor over each of its axes, and over all. */
function sums(x) {
  const steps = strides(x.shape);
  const over = x.shape.map((_, axis) => {
    const kept = x.shape.filter((_length, other) => other !== axis);
    const data = new Array(kept.reduce((a, b) => a * b, 1)).fill(0);
    const keptSteps = strides(kept);
    x.data.forEach((value, index) => {
      const place = unravel(index, x.shape).filter((_at, other) => other !== axis);
      data[place.reduce((sum, at, i) => sum + at * keptSteps[i], 0)] += value;
    });
    return { shape: kept, data };
  });
  return steps.length > 1 ? [...over, { shape: [], data: [x.data.reduce((a, b) => a + b, 0)] }] : over;
}

/**
 * The verdict on an answer {shape, data}: {right, kind, message}.  With `entry`, a flat index, that one
 * element is asked for.
 */
export function diagnose(record, place, look, answer, entry = null) {
  const whole = numbers(look(place));
  const part = (x) => (entry === null || !x ? x : alike(x, whole) ? { shape: [], data: [x.data[entry]] } : null);
  const wanted = part(whole);
  const misfit = aboutShape(answer, wanted);
  if (misfit) return { right: false, ...misfit };
  if (equal(answer, wanted)) return { right: true, kind: "right", message: "Right." };
  const wild = answer.data.findIndex((x, i) => !Number.isFinite(x) && Number.isFinite(wanted.data[i]));
  if (wild >= 0) {
    const at = wanted.data.length > 1 ? ` at ${bracketed(wild, wanted.shape)}` : "";
    return { right: false, kind: "not finite", message: `That is ${short(answer.data[wild])}${at}; what is asked is a finite number.` };
  }
  const meant = { shape: wanted.shape, data: answer.data };
  const found = slips(record, place, look).map((one) => ({ ...one, tensor: part(one.tensor) }))
    .filter(({ tensor }) => tensor && alike(tensor, wanted) && !equal(tensor, wanted) && equal(meant, tensor));
  if (found.length) {
    // The same numbers may come from two slips; that they stand elsewhere too says less.
    const other = found.find(({ kind }) => kind !== found[0].kind && kind !== "another node");
    return { right: false, kind: found[0].kind, message: found[0].message + (other ? ` Or: ${other.message}` : "") };
  }
  return { right: false, ...lastly(record, meant, wanted, whole, entry) };
}

function lastly(record, answer, wanted, whole, entry) {
  if (wanted.shape.length === 2 && wanted.shape[0] === wanted.shape[1] && equal(transposed(answer), wanted)) {
    return { kind: "transpose", message: "Right numbers, but transposed." };
  }
  if (entry !== null && whole.shape.length === 2) {
    const [row, column] = unravel(entry, whole.shape), [rows, columns] = whole.shape;
    if (column < rows && row < columns && equal(answer, { shape: [], data: [whole.data[column * columns + row]] })) {
      return { kind: "transpose", message: `That is the element at row ${column}, column ${row}: transposed.` };
    }
  }
  const elsewhere = entry === null ? -1 : whole.data.findIndex((x) => x !== 0 && equal(answer, { shape: [], data: [x] }));
  if (elsewhere >= 0) {
    return { kind: "another entry", message: `That is the entry ${bracketed(elsewhere, whole.shape)}.` };
  }
  if (equal(answer, wanted, twentieth)) {
    return { kind: "close", message: "Close: the way is right. Give three digits, or look for a slip in the arithmetic." };
  }
  const factor = ratio(answer, wanted);
  if (factor !== null && wanted.data.length > 1) {
    return { kind: "factor", message: `Each entry is off by the same factor, ${Number(factor.toPrecision(3))}.` };
  }
  const right = wanted.data.filter((x, i) => near(answer.data[i], x, largest(wanted.data))).length;
  if (wanted.data.length > 1 && right) {
    return { kind: "some entries", message: `${right} of ${wanted.data.length} entries are right.` };
  }
  for (const [times, text] of [[2, "twice"], [0.5, "half"]]) {
    if (factor !== null && near(factor, times, 1)) return { kind: "factor", message: `That is ${text} what it is.` };
  }
  return { kind: "wrong", message: "Not right, and it is none of the usual slips." };
}
