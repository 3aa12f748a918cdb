// What is asked, what must not be shown meanwhile, and the hints: from the record alone.

import { called, termsOf } from "chainrule/diagnoses";
import { bracketed, dimensions, short } from "chainrule/numbers";
import { reads } from "chainrule/operations";

const MOST_ENTRIES = 12; // of a larger tensor one entry is asked, and none is spelled out in a hint

/** A node as the rules write it, with the user's own name where that is another. */
const introduced = (node) => (node.name && node.name !== called(node) ? `${called(node)} (${node.name})` : called(node));

/** A place with an entry, "gradient:3@5", as {place, kind, id, term, entry}. */
export function parsed(text) {
  const [place, entry] = text.split("@"), [kind, id, term] = place.split(":");
  return { place, kind, id: Number(id), term: term === undefined ? null : Number(term),
    entry: entry === undefined ? null : Number(entry) };
}

/** What can be asked of a node, as places: only what is known whole. */
export function askable(record, id, look) {
  const node = record.nodes[id], found = [];
  const offer = (place, words) => {
    const tensor = look(place);
    if (!tensor || !tensor.data.length || !tensor.dtype.startsWith("float")) return;
    const many = tensor.data.length > MOST_ENTRIES;
    found.push({ words, place: many ? `${place}@${largestAt(tensor.data)}` : place });
  };
  if (node.inputs.length) offer(`value:${id}`, "its value");
  for (const { k, consumer, local } of termsOf(node)) {
    if (local !== null) offer(`local:${id}:${k}`, `the local derivative of ${called(record.nodes[consumer])} by it`);
  }
  if (node.gradient !== null && id !== record.output) offer(`gradient:${id}`, "its gradient");
  return found;
}

function largestAt(data) {
  let at = 0;
  data.forEach((x, i) => { if (Math.abs(x) > Math.abs(data[at])) at = i; });
  return at;
}

/** The question in words. */
export function prompt(record, question, look) {
  const { kind, id, term, entry, place } = question, node = record.nodes[id], output = called(record.nodes[record.output]);
  const { shape } = look(place), of = entry === null ? "" : `, its entry ${bracketed(entry, shape)}`;
  const name = called(node), rule = node.rule.text ? ` = ${node.rule.text}` : "";
  if (kind === "value") return `What is the value of ${name}${rule}${of}?`;
  if (kind === "gradient") return `What is ∂${output}/∂${name}, the gradient with respect to ${introduced(node)}${of}?`;
  const consumer = record.nodes[node.terms[term].consumer], each = shape.length ? ", element by element" : "";
  return `What is ∂${called(consumer)}/∂${name}, the local derivative of ${called(consumer)} = ${consumer.rule.text} `
    + `with respect to ${introduced(node)}${each}${of}?`;
}

/** How the answer is written. */
export function format(question, look) {
  const { shape } = look(question.place);
  const counted = question.entry === null ? "" : " Places are counted from 0.";
  if (question.entry !== null || !shape.length) return `A number, or an expression such as 1/3 or -2*4.${counted}`;
  if (shape.length === 1) return `${shape[0]} numbers with spaces or commas between them.`;
  return `${dimensions(shape)} numbers, row by row: a new line or ; after each row.`;
}

// -- what must not be shown -----------------------------------------------------------------------------------

/** For each node those that read it directly; the part that has a composite's value counts as read by it. */
function readers(record) {
  const found = record.nodes.map(() => []);
  for (const { id, inputs } of record.nodes) for (const input of inputs) found[input].push(id);
  for (const { node, output } of record.folds) {
    if (node !== null && node !== undefined && output !== null && output !== undefined) found[output].push(node);
  }
  return found;
}

function reached(start, next) {
  const seen = new Set([start]), open = [start];
  while (open.length) {
    for (const id of next[open.pop()]) {
      if (!seen.has(id)) {
        seen.add(id);
        open.push(id);
      }
    }
  }
  return seen;
}

const turned = (edges) => {
  const found = edges.map(() => []);
  edges.forEach((targets, id) => targets.forEach((target) => found[target].push(id)));
  return found;
};

function backward(node) {
  const terms = node.terms.flatMap((_, k) => ["upstream", "local", "downstream"].map((role) => `${role}:${node.id}:${k}`));
  return [`gradient:${node.id}`, ...terms];
}

/**
 * The places that would give the answer away: what the walk has not reached yet.  While a value is asked
 * those are the values computed from it and the whole backward pass; while a gradient or a local
 * derivative is asked, the gradients of everything that lies behind the node.
 */
export function hidden(record, { kind, id, term }) {
  const forward = readers(record), found = new Set();
  if (kind === "value") {
    for (const later of reached(id, forward)) found.add(`value:${later}`);
    for (const node of record.nodes) for (const place of backward(node)) found.add(place);
    return found;
  }
  for (const behind of reached(id, turned(forward))) {
    if (behind !== id) for (const place of backward(record.nodes[behind])) found.add(place);
  }
  found.add(`gradient:${id}`);
  record.nodes[id].terms.forEach((_, k) => found.add(`downstream:${id}:${k}`));
  if (kind === "local") found.add(`local:${id}:${term}`);
  return found;
}

// -- hints ------------------------------------------------------------------------------------------------------

/** A tensor in a few characters: its numbers where they are few, else its dimensions. */
export function tensorText({ shape, data }) {
  if (!data || data.length > MOST_ENTRIES) return `(${dimensions(shape)})`;
  const numbers = Array.from(data, (x) => short(x, 6));
  if (!shape.length) return numbers[0];
  const columns = shape[shape.length - 1], rows = [];
  for (let at = 0; at < numbers.length; at += columns) rows.push(`[${numbers.slice(at, at + columns).join(", ")}]`);
  return shape.length === 1 ? rows[0] ?? "[]" : `[${rows.join(", ")}]`;
}

const signed = (text) => (text.startsWith("−") ? `(${text})` : text);

/** "a = 3, b = (4 × 5)": what a node is computed from; of an entry, the entries that it reads. */
function givenTo(record, node, look, entry) {
  const inputs = node.inputs.map((id) => look(`value:${id}`)), shapes = node.inputs.map((id) => record.nodes[id].shape);
  const known = inputs.includes(null) ? null : inputs;
  const read = entry === null ? [] : reads(node.op, node.settings, shapes, node.shape, entry, known);
  const text = (id, i) => {
    const tensor = inputs[i], name = called(record.nodes[id]), places = read[i];
    const few = tensor && shapes[i].length && Array.isArray(places) && places.length <= MOST_ENTRIES;
    if (!few) return `${name} = ${tensorText(tensor ?? record.nodes[id])}`;
    return places.map((at) => `${name}${bracketed(at, shapes[i])} = ${short(tensor.data[at], 6)}`).join(", ");
  };
  const unnamed = (id) => record.nodes[id].kind === "constant" && !record.nodes[id].name;
  return node.inputs.map((id, i) => (unnamed(id) ? "" : text(id, i))).filter(Boolean).join(", ");
}

function hintsOfGradient(record, node, { entry }, look) {
  const terms = termsOf(node), reader = ({ consumer }) => record.nodes[consumer];
  const names = terms.map((term) => called(reader(term)));
  const first = terms.length > 1
    ? `${called(node)} is used ${terms.length} times, by ${names.join(" and ")}: `
      + "add one term for each, upstream × local."
    : `Only ${names[0]} reads ${called(node)}: take the gradient of ${names[0]} times the local derivative.`;
  const rules = terms.map((term, i) => `through ${names[i]}: ${term.rule.text}`);
  const given = terms.map((term, i) => {
    const shown = (role) => signed(factorText(look(`${role}:${node.id}:${term.k}`) ?? reader(term), node.shape, entry));
    const rest = term.local === null ? `, where ${givenTo(record, reader(term), look, null)}` : ` × local ${shown("local")}`;
    return `through ${names[i]}: upstream ${shown("upstream")}${rest}`;
  });
  return [first, `${rules.join("; ")}.`, `${given.join("; ")}.`];
}

/** Of a factor of the node's own shape the entry that counts, else all of it. */
function factorText(tensor, shape, entry) {
  const own = entry !== null && tensor.data && String(tensor.shape) === String(shape);
  return tensorText(own ? { shape: [], data: [tensor.data[entry]] } : tensor);
}

function hintsOfValue(record, node, { entry }, look) {
  const from = node.inputs.map((id) => called(record.nodes[id])).join(" and ");
  return [`${called(node)} is computed by ${node.op} from ${from}.`, `${called(node)} = ${node.rule.text}`,
    `${givenTo(record, node, look, entry)}.`];
}

function hintsOfLocal(record, node, { term, entry }, look) {
  const { consumer, rule } = node.terms[term], other = record.nodes[consumer];
  return [`How much does ${called(other)} = ${other.rule.text} change where ${called(node)} changes a little? `
    + "The rest of the graph does not matter.",
    `Upstream × local is ${rule.text}: what stands beside the upstream gradient is the local derivative.`,
    `${givenTo(record, other, look, entry)}.`];
}

const RULES = { value: hintsOfValue, gradient: hintsOfGradient, local: hintsOfLocal };

/** The hints in order, the last of them the answer. */
export function hints(record, question, look) {
  const { kind, id, entry, place } = question;
  return [...RULES[kind](record, record.nodes[id], question, look), `The answer: ${answerText(look(place), entry)}.`];
}

/** The answer as it is shown at last. */
export function answerText(tensor, entry) {
  return tensorText(entry === null ? tensor : { shape: [], data: [tensor.data[entry]] });
}
