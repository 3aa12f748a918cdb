// Every primitive op that the page computes: its forward rule, and which elements an element reads.
//
// There is no derivative rule here: a backward pass is a graph of the same ops, written by the library.

import { elementwise } from "chainrule/elementwise";
import { indexing } from "chainrule/indexing";
import { movement } from "chainrule/movement";
import { reduction } from "chainrule/reduction";

const OPERATIONS = new Map(Object.entries({ ...elementwise, ...movement, ...reduction, ...indexing }));

/** The names of all ops that the page computes. */
export const supported = () => [...OPERATIONS.keys()].sort();

/** The value of an op: a tensor, from tensors. */
export function forward(op, settings, inputs, shape, dtype) {
  const operation = OPERATIONS.get(op);
  if (!operation) throw new RangeError(`the page cannot compute ${op}`);
  return { shape, dtype, data: operation.forward(inputs, settings ?? {}, shape, dtype) };
}

/**
 * Which elements of each input the output element at flat `index` is computed from, as lists of flat
 * indices; "all" for an op that is not known.  With the input tensors in `inputs`, ops that read where
 * values say (take, where, scatter, …) name exactly the elements that count; without, all that may.
 */
export function reads(op, settings, inputShapes, outputShape, index, inputs = null) {
  const operation = OPERATIONS.get(op);
  if (!operation) return inputShapes.map(() => "all");
  return operation.reads(settings ?? {}, inputShapes, outputShape, index, inputs);
}
