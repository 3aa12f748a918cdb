// Runs a program: both passes are one list of forward rules, in order.

import { decode } from "chainrule/arrays";
import { forward } from "chainrule/operations";

const decoded = new WeakMap();

/** The program's leaves as tensors, by slot. */
export function leaves(program) {
  if (!decoded.has(program)) {
    const found = new Map();
    program.operations.forEach(({ op, shape, dtype, data }, slot) => {
      if (op === "leaf") found.set(slot, { shape, dtype, data: decode(data, dtype) });
    });
    decoded.set(program, found);
  }
  return decoded.get(program);
}

/**
 * All slots of a program as tensors.  `values` (a Map of slots) replaces leaves; a rule that refuses its
 * values, such as an index outside its axis, throws a RangeError that says so.
 */
export function run(program, values = new Map()) {
  const own = leaves(program), slots = [];
  program.operations.forEach(({ op, inputs, settings, shape, dtype }, slot) => {
    slots.push(op === "leaf" ? values.get(slot) ?? own.get(slot)
      : forward(op, settings, inputs.map((input) => slots[input]), shape, dtype));
  });
  return slots;
}

/** What every place of the page shows, from the slots of a run: a Map of "value:3", "local:2:0", … */
export function places(program, slots) {
  const found = new Map();
  const put = (place, slot) => { if (slot !== null) found.set(place, slots[slot]); };
  program.nodes.forEach(({ value, gradient, terms }, id) => {
    put(`value:${id}`, value);
    put(`gradient:${id}`, gradient);
    terms.forEach(([upstream, local, downstream], k) => {
      put(`upstream:${id}:${k}`, upstream);
      put(`local:${id}:${k}`, local);
      put(`downstream:${id}:${k}`, downstream);
    });
  });
  return found;
}
