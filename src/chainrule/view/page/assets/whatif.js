// What if: other numbers in an input or a weight, and both passes computed again in the page.

import { isFloat, isInteger, same, stored, unravel, written, wrap } from "chainrule/arrays";
import { make } from "chainrule/elements";
import { NotUnderstood, readNumber } from "chainrule/expressions";
import { leaves, places, run } from "chainrule/interpreter";
import { bracketed, short } from "chainrule/numbers";

const MOST_CELLS = 48; // more fields than that are no longer a form
const MOST_TRIALS = 20; // other numbers are drawn so often until all results are finite

/** The leaves that a reader may change: record node → program slot. */
export function changeable(record) {
  const own = leaves(record.program), found = new Map();
  record.nodes.forEach(({ id, kind }) => {
    const slot = record.program.nodes[id].value, given = kind === "parameter" || kind === "input";
    if (given && own.get(slot)?.data.length) found.set(id, { slot });
  });
  return found;
}

/** The number as the dtype holds it; refuses what it cannot hold. */
export function asElement(x, dtype) {
  if (isFloat(dtype)) return x;
  if (!Number.isInteger(x)) throw new NotUnderstood(`${dtype} holds whole numbers`);
  if (dtype === "bool" && x !== 0 && x !== 1) throw new NotUnderstood("write 0 (false) or 1 (true)");
  if (isInteger(dtype) && wrap(dtype, BigInt(x)) !== BigInt(x)) {
    throw new NotUnderstood(`${dtype} cannot hold ${x}`);
  }
  return stored(dtype, x);
}

/** The changed leaves of a record, and what the page shows for them. */
export class Model {
  constructor(record) {
    this.record = record;
    this.recorded = leaves(record.program);
    this.leaves = changeable(record);
    this.values = new Map();
    this.original = this.computed();
    this.shown = this.original;
  }

  computed(values = this.values) { return places(this.record.program, run(this.record.program, values)); }

  leaf(id) {
    const { slot } = this.leaves.get(id);
    return this.values.get(slot) ?? this.recorded.get(slot);
  }

  /** Puts one element in, computes both passes, and keeps nothing of it where a rule refuses the value. */
  change(id, index, x) {
    const { slot } = this.leaves.get(id), now = this.leaf(id), data = now.data.slice();
    data[index] = asElement(x, now.dtype);
    const next = new Map(this.values), tensor = { ...now, data };
    if (same(tensor, this.recorded.get(slot))) next.delete(slot);
    else next.set(slot, tensor);
    this.shown = this.computed(next);
    this.values = next;
  }

  reset() {
    this.values = new Map();
    this.shown = this.original;
  }

  /** Other numbers in every leaf of floats, whole ones where whole ones were recorded. */
  shuffle(seed) {
    for (let trial = 0; trial < MOST_TRIALS; trial += 1) {
      const draw = generator(seed * MOST_TRIALS + trial), next = new Map(this.values);
      for (const { slot } of this.leaves.values()) {
        const recorded = this.recorded.get(slot);
        if (isFloat(recorded.dtype)) next.set(slot, { ...recorded, data: redrawn(recorded.data, draw) });
      }
      const shown = this.computed(next);
      if ([...shown].every(([place, tensor]) => !this.worse(place, tensor))) {
        [this.values, this.shown] = [next, shown];
        return true;
      }
    }
    return false;
  }

  output() { return this.shown.get(`value:${this.record.output}`); }

  /** The elements that differ from the recorded ones: [{id, index, before, now}]. */
  changes() {
    return [...this.leaves].flatMap(([id, { slot }]) => {
      const before = this.recorded.get(slot), now = this.leaf(id);
      return Array.from(now.data).flatMap((x, index) => (Object.is(x, before.data[index]) ? []
        : [{ id, index, before: before.data[index], now: x, dtype: now.dtype }]));
    });
  }

  /** Whether more of a place is not finite than was recorded: a mask of −∞ is meant to be there. */
  worse(place, tensor) { return notFinite(tensor) > notFinite(this.original.get(place)); }

  /** The first node in order whose value is less finite than it was; null if there is none. */
  firstNotFinite() {
    const found = this.record.nodes.map(({ id }) => `value:${id}`).find((place) => this.worse(place, this.shown.get(place)));
    return found ? Number(found.slice("value:".length)) : null;
  }
}

const notFinite = ({ data, dtype }) => (isFloat(dtype) ? data.reduce((n, x) => n + !Number.isFinite(x), 0) : 0);

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Numbers of the same sort: whole ones from −4 to 4 without 0, or two decimals about the recorded ones. */
function redrawn(data, draw) {
  const whole = data.every(Number.isInteger), reach = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
  return data.map((x) => (whole ? Math.ceil(draw() * 4) * (draw() < 0.5 ? -1 : 1)
    : Math.round(100 * (x + (2 * draw() - 1) * reach)) / 100));
}

/** How an element is called: "a", "w[1]", "W[0, 2]". */
export function elementName(label, shape, index) {
  return `${label}${bracketed(index, shape)}`;
}

const named = (node) => node.name ?? node.symbol ?? node.label;

class Panel {
  constructor(page, host) {
    this.page = page;
    this.host = host;
    this.model = new Model(page.record);
    this.chosen = { id: [...this.model.leaves.keys()][0], index: 0 };
    this.build();
    page.onSelect((id) => { if (this.model.leaves.has(id)) this.choose(id); });
    if (this.model.leaves.has(page.selected)) this.choose(page.selected);
    else this.draw();
  }

  build() {
    const options = [...this.model.leaves.keys()].map((id) => (
      make("option", { value: id }, named(this.page.record.nodes[id]))));
    const picked = () => this.choose(Number(this.select.value));
    this.select = make("select", { id: "whatif-leaf", onchange: picked }, ...options);
    this.fields = make("div", { class: "whatif-fields" });
    this.problem = make("p", { class: "whatif-problem", id: "whatif-problem", role: "alert" });
    this.slider = make("input", { type: "range", id: "whatif-slider", oninput: () => this.slid() });
    this.sliderName = make("label", { for: "whatif-slider" });
    this.sign = make("p", { class: "whatif-sign", hidden: true });
    this.result = make("div", { class: "whatif-result" });
    this.back = make("button", { type: "button", onclick: () => this.reset() }, "Back to the recorded values");
    this.form = make("div", {});
    this.rest = make("p", { hidden: true }, "While a question is open, nothing can be changed here.");
    this.host.append(this.form, this.rest);
    this.form.append(
      make("p", {}, "Change an input or a weight: both passes are computed again, here in the page. ",
        "A field takes numbers and expressions such as 1/3; ↑ and ↓ change it by a tenth, with Shift by one."),
      make("p", {}, make("label", { for: "whatif-leaf" }, "Change "), this.select),
      this.fields, this.problem,
      make("div", { class: "whatif-slide" }, this.sliderName, this.slider),
      this.sign, this.result, this.back,
    );
  }

  /** Out of the way while the reader is asked something that its results would tell. */
  pause(resting) {
    this.form.hidden = resting;
    this.rest.hidden = !resting;
  }

  choose(id) {
    this.chosen = { id, index: 0 };
    this.select.value = String(id);
    this.draw();
  }

  get leaf() { return this.model.leaf(this.chosen.id); }

  nameOf(id, index) {
    const node = this.page.record.nodes[id];
    return elementName(named(node), node.shape, index);
  }

  /** The fields of the chosen leaf: all elements, or one and its place where there are many. */
  draw() {
    const { data, shape } = this.leaf, many = data.length > MOST_CELLS;
    const columns = shape.length ? shape[shape.length - 1] : 1;
    this.inputs = new Map();
    this.fields.replaceChildren();
    if (many) this.fields.append(this.placeFields());
    const cells = make("div", { class: "whatif-cells", style: `--columns: ${many ? 1 : columns}` });
    const indices = many ? [this.chosen.index] : data.keys();
    for (const index of indices) cells.append(this.field(index));
    this.fields.append(cells);
    this.focusOn(this.chosen.index);
    this.tell();
  }

  placeFields() {
    const { shape } = this.leaf, at = unravel(this.chosen.index, shape);
    return make("p", {}, ...shape.map((length, axis) => {
      const field = make("input", { type: "number", min: 0, max: length - 1, value: at[axis],
        onchange: () => {
          const place = Math.min(Math.max(Math.trunc(Number(field.value)) || 0, 0), length - 1);
          const next = at.with(axis, place);
          this.chosen.index = next.reduce((sum, one, i) => sum * shape[i] + one, 0);
          this.draw();
        } });
      return make("label", {}, ` axis ${axis} (0 to ${length - 1}) `, field);
    }));
  }

  field(index) {
    const { data, dtype } = this.leaf;
    const input = make("input", {
      type: "text", inputmode: "decimal", value: written(data[index], dtype), autocomplete: "off", size: 8,
      "aria-label": this.nameOf(this.chosen.id, index), "aria-describedby": "whatif-problem",
      onfocus: () => this.focusOn(index), onchange: () => this.typed(index),
      onkeydown: (event) => this.pressed(event, index),
    });
    this.inputs.set(index, input);
    return input;
  }

  /** The element that the slider moves. */
  focusOn(index) {
    this.chosen.index = index;
    const { slot } = this.model.leaves.get(this.chosen.id), { data, dtype } = this.model.recorded.get(slot);
    const middle = Number.isFinite(Number(data[index])) ? Number(data[index]) : 0;
    const now = Number(this.leaf.data[index]), away = Number.isFinite(now) ? 1.25 * Math.abs(now - middle) : 0;
    const reach = Math.max(1, 2 * Math.abs(middle), away), whole = !isFloat(dtype);
    const ends = dtype === "bool" ? [0, 1] : [middle - reach, middle + reach];
    Object.assign(this.slider, { min: ends[0], max: ends[1], step: whole ? 1 : reach / 100 });
    this.slider.value = String(now);
    this.sliderName.textContent = `${this.nameOf(this.chosen.id, index)} `;
    this.slider.setAttribute("aria-valuetext", written(this.leaf.data[index], dtype));
  }

  typed(index) {
    this.attempt(index, () => readNumber(this.inputs.get(index).value));
  }

  pressed(event, index) {
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!up) return;
    event.preventDefault();
    const step = event.shiftKey || !isFloat(this.leaf.dtype) ? 1 : 0.1;
    // From the number as it is written: a float32 of 2.1 is not 2.0999999 to whoever counts in tenths.
    const now = readNumber(written(this.leaf.data[index], this.leaf.dtype));
    this.attempt(index, () => Number((now + up * step).toPrecision(12)));
  }

  slid() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.attempt(this.chosen.index, () => Number(this.slider.value));
    });
  }

  /** Changes an element; what cannot be read or computed is said beside the field, and nothing changes. */
  attempt(index, number) {
    const input = this.inputs.get(index);
    try {
      this.model.change(this.chosen.id, index, number());
    } catch (error) {
      if (!(error instanceof NotUnderstood || error instanceof RangeError)) throw error;
      input.setAttribute("aria-invalid", "true");
      this.problem.textContent = `${this.nameOf(this.chosen.id, index)}: ${error.message}.`;
      return;
    }
    this.problem.textContent = "";
    for (const [at, field] of this.inputs) { // a field that could not be read has its number again
      if (at !== index && !field.hasAttribute("aria-invalid")) continue;
      field.removeAttribute("aria-invalid");
      field.value = written(this.leaf.data[at], this.leaf.dtype);
    }
    this.focusOn(index);
    this.show();
  }

  /** Other numbers in all inputs and weights; false where none were found that give finite results. */
  shuffle(seed) {
    if (!this.model.shuffle(seed)) return false;
    this.show();
    this.draw();
    return true;
  }

  reset() {
    this.model.reset();
    this.problem.textContent = "";
    this.show();
    this.draw();
    this.page.announce("The recorded values are back.");
  }

  /** Hands the page what is shown now. */
  show() {
    this.page.replaceTensors(this.model.values.size ? this.model.shown : null);
    this.tell();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.page.announce(this.result.textContent), 400);
  }

  tell() {
    const changes = this.model.changes(), { record } = this.page, output = record.nodes[record.output];
    this.sign.hidden = !changes.length;
    this.back.disabled = !changes.length;
    const shown = changes.slice(0, 4).map(({ id, index, before, now, dtype }) => (
      `${this.nameOf(id, index)} = ${written(now, dtype)} (recorded: ${written(before, dtype)})`));
    const rest = changes.length > 4 ? ` and ${changes.length - 4} more` : "";
    this.sign.textContent = changes.length
      ? `✎ Changed values: ${shown.join(", ")}${rest}. The page shows what follows from them.` : "";
    const now = this.model.output(), value = written(now.data[0], now.dtype);
    this.result.replaceChildren(
      make("p", {}, `${named(output)} = ${value}. `), ...this.prediction(changes), ...this.trouble());
  }

  /** What the gradient foretold for a single change, beside what came of it. */
  prediction(changes) {
    if (changes.length !== 1 || !isFloat(changes[0].dtype)) return [];
    const [{ id, index, before, now }] = changes, { record } = this.page, output = record.nodes[record.output];
    const recorded = this.model.original, slope = recorded.get(`gradient:${id}`)?.data[index] ?? 0;
    const was = recorded.get(`value:${record.output}`).data[0], by = now - before, is = this.model.output().data[0];
    if (![slope, was, by, is].every(Number.isFinite)) return [];
    return [make("p", {}, `The gradient foretold ${short(slope)} · ${short(by)} = ${short(slope * by)}; `
      + `${named(output)} changed by ${short(is - was)}.`)];
  }

  trouble() {
    const id = this.model.firstNotFinite();
    if (id === null) return [];
    const node = this.page.record.nodes[id];
    const go = make("button", { type: "button", onclick: () => this.page.select(id) }, `Show ${named(node)}`);
    return [make("p", { class: "whatif-problem" }, `Not finite, first at ${named(node)} (${node.op}). `, go)];
  }
}

/** Puts the panel into the page; says why where the graph is not offered. */
export function attach(page) {
  const host = page.panel("whatif", "What if"), { program } = page.record;
  if (!program || program.refused) {
    host.append(make("p", {}, `Not offered for this graph: ${program?.refused ?? "no program was recorded"}.`));
    return null;
  }
  if (!changeable(page.record).size) {
    host.append(make("p", {}, "This graph has no input and no parameter to change."));
    return null;
  }
  page.whatif = new Panel(page, host);
  return page.whatif;
}
