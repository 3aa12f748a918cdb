// Ops that fold axes, running totals and matrix products.

import { isFloat, isInteger, rounding, size, split, stored, strides, unravel, walk, wrap, zeros }
  from "chainrule/arrays";

/**
 * The flat indices of an input as groups, one for each output element: `starts[o] + offsets[k]`, with the
 * folded axes in row-major order.
 */
function groups(shape, axes) {
  const steps = strides(shape), folded = new Set(axes);
  const kept = shape.map((_, axis) => axis).filter((axis) => !folded.has(axis));
  const pick = (chosen) => walk(chosen.map((axis) => shape[axis]), chosen.map((axis) => steps[axis]));
  return { starts: pick(kept), offsets: pick([...axes].sort((a, b) => a - b)) };
}

/** How many of the last axes are folded without a gap: elements that NumPy sees as one stretch. */
function stretch(shape, axes) {
  let length = 1;
  for (let axis = shape.length - 1; axis >= 0 && axes.includes(axis); axis -= 1) length *= shape[axis];
  return length;
}

/** NumPy's order: eight running sums over stretches of up to 128, halves above that. */
function pairwise(at, first, count, round) {
  if (count < 8) {
    let total = -0;
    for (let i = 0; i < count; i += 1) total = round(total + at(first + i));
    return total;
  }
  if (count > 128) {
    const half = Math.floor(count / 2) - (Math.floor(count / 2) % 8);
    return round(pairwise(at, first, half, round) + pairwise(at, first + half, count - half, round));
  }
  const sums = Array.from({ length: 8 }, (_, lane) => at(first + lane));
  let done = 8;
  for (; done + 8 <= count; done += 8) {
    for (let lane = 0; lane < 8; lane += 1) sums[lane] = round(sums[lane] + at(first + done + lane));
  }
  const pair = (a, b) => round(a + b);
  const [a, b, c, d] = [0, 2, 4, 6].map((lane) => pair(sums[lane], sums[lane + 1]));
  let total = pair(pair(a, b), pair(c, d));
  for (; done < count; done += 1) total = round(total + at(first + done));
  return total;
}

function summed(at, count, run, round) {
  let total = 0;
  for (let first = 0; first < count; first += run) total = round(total + pairwise(at, first, run, round));
  return total;
}

function wholeFold(at, count, dtype, start, rule) {
  let total = start;
  for (let i = 0; i < count; i += 1) total = wrap(dtype, rule(total, BigInt(at(i))));
  return stored(dtype, total);
}

function multiplied(at, count, round) {
  let total = 1;
  for (let i = 0; i < count; i += 1) total = round(total * at(i));
  return total;
}

/** The first place of the extreme element; a NaN is more extreme than any number. */
function extremePlace(at, count, beats) {
  let place = 0;
  for (let i = 1; i < count; i += 1) {
    if (Number.isNaN(at(place))) break;
    if (Number.isNaN(at(i)) || beats(at(i), at(place))) place = i;
  }
  return place;
}

const LARGER = (x, y) => x > y, SMALLER = (x, y) => x < y;
const BEATS = { max: LARGER, argmax: LARGER, min: SMALLER, argmin: SMALLER };

// Each rule: (at, count, dtype, name, run) -> the folded element; at(k) is the group's k-th element.
const FOLDS = {
  sum: (at, count, dtype, run) => (isInteger(dtype)
    ? wholeFold(at, count, dtype, 0n, (x, y) => x + y) : summed(at, count, run, rounding(dtype))),
  prod: (at, count, dtype) => (isInteger(dtype)
    ? wholeFold(at, count, dtype, 1n, (x, y) => x * y) : multiplied(at, count, rounding(dtype))),
  any: (at, count) => Number(Array.from({ length: count }, (_, i) => at(i)).some(Boolean)),
  all: (at, count) => Number(Array.from({ length: count }, (_, i) => at(i)).every(Boolean)),
};
for (const name of ["max", "min"]) FOLDS[name] = (at, count) => at(extremePlace(at, count, BEATS[name]));
for (const name of ["argmax", "argmin"]) {
  FOLDS[name] = (at, count) => BigInt(extremePlace(at, count, BEATS[name]));
}

const axesOf = ({ axis }) => (Array.isArray(axis) ? axis : [axis]);

function folded(name) {
  return ([{ data, shape: own }], settings, shape, dtype) => {
    const out = zeros(dtype, size(shape)), axes = axesOf(settings), { starts, offsets } = groups(own, axes);
    const run = Math.max(stretch(own, axes), 1);
    for (let o = 0; o < out.length; o += 1) {
      out[o] = FOLDS[name]((k) => data[starts[o] + offsets[k]], offsets.length, dtype, run);
    }
    return out;
  };
}

function readsOfGroup(settings, [own], shape, index) {
  const { starts, offsets } = groups(own, axesOf(settings));
  return [Array.from(offsets, (offset) => starts[index] + offset)];
}

function totalled([{ data, shape: own }], { axis }, shape, dtype) {
  const out = zeros(dtype, data.length), [before, length, after] = split(own, axis), round = rounding(dtype);
  const add = isInteger(dtype)
    ? (x, y) => stored(dtype, wrap(dtype, BigInt(x) + BigInt(y))) : (x, y) => round(x + y);
  for (let row = 0; row < before; row += 1) {
    for (let column = 0; column < after; column += 1) {
      let at = row * length * after + column;
      for (let k = 0; k < length; k += 1, at += after) out[at] = k ? add(out[at - after], data[at]) : data[at];
    }
  }
  return out;
}

function readsOfTotal({ axis }, [own], shape, index) {
  const [, length, after] = split(own, axis), place = Math.floor(index / after) % length;
  return [Array.from({ length: place + 1 }, (_, k) => index - k * after)];
}

// -- matrix products ----------------------------------------------------------------------------------------

/** Where output element `index` of x @ y reads: starts and steps in both, and how many products. */
function contraction([x, y], shape, index) {
  const inner = x[x.length - 1], of = unravel(index, shape);
  const column = y.length > 1 ? of.pop() : 0, row = x.length > 1 ? of.pop() : 0;
  const start = (own) => {
    const steps = strides(own).slice(0, -2), lead = of.length - steps.length;
    return steps.reduce((at, step, axis) => at + (own[axis] === 1 ? 0 : step * of[axis + lead]), 0);
  };
  const columns = y.length > 1 ? y[y.length - 1] : 1;
  return { inner, x: start(x) + row * inner, y: start(y) + column, step: columns };
}

function product(inputs, settings, shape, dtype) {
  const out = zeros(dtype, size(shape)), [x, y] = inputs.map(({ data }) => data), round = rounding(dtype);
  const shapes = inputs.map(({ shape: own }) => own);
  for (let o = 0; o < out.length; o += 1) {
    const { inner, x: left, y: right, step } = contraction(shapes, shape, o);
    if (isFloat(dtype)) {
      let total = 0;
      for (let k = 0; k < inner; k += 1) total = round(total + round(x[left + k] * y[right + k * step]));
      out[o] = total;
    } else {
      out[o] = wholeFold((k) => BigInt(x[left + k]) * BigInt(y[right + k * step]), inner, dtype, 0n, (a, b) => a + b);
    }
  }
  return out;
}

function readsOfProduct(settings, shapes, shape, index) {
  const { inner, x, y, step } = contraction(shapes, shape, index);
  const along = (start, by) => Array.from({ length: inner }, (_, k) => start + k * by);
  return [along(x, 1), along(y, step)];
}

export const reduction = {
  cumulative_sum: { forward: totalled, reads: readsOfTotal },
  matmul: { forward: product, reads: readsOfProduct },
};
for (const name of Object.keys(FOLDS)) reduction[name] = { forward: folded(name), reads: readsOfGroup };
