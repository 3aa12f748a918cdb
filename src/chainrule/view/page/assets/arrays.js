// Tensors of the page: {shape, dtype, data}, data a typed array in row-major order.

const TYPES = {
  float32: Float32Array, float64: Float64Array, int32: Int32Array, uint32: Uint32Array,
  int64: BigInt64Array, bool: Uint8Array,
};

/** A typed array of `count` zeros of a dtype. */
export const zeros = (dtype, count) => new TYPES[dtype](count);

/** A typed array from the record's little-endian base64 text. */
export function decode(text, dtype) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new TYPES[dtype](bytes.buffer);
}

export const isFloat = (dtype) => dtype === "float32" || dtype === "float64";
export const isInteger = (dtype) => dtype === "int64" || dtype === "int32" || dtype === "uint32";

/** Rounds to the dtype, as each operation of NumPy does. */
export const rounding = (dtype) => (dtype === "float32" ? Math.fround : (x) => x);

/** A whole number (BigInt) held to the range of an integer dtype, modulo 2^bits. */
export function wrap(dtype, x) {
  if (dtype === "int64") return BigInt.asIntN(64, x);
  return dtype === "int32" ? BigInt.asIntN(32, x) : BigInt.asUintN(32, x);
}

/** What is stored in a typed array of the dtype: BigInt for int64, a number for the others. */
export const stored = (dtype, x) => (dtype === "int64" ? BigInt(x) : Number(x));

export const size = (shape) => shape.reduce((product, length) => product * length, 1);

/** How far apart neighbours along each axis lie in the flat array. */
export function strides(shape) {
  const steps = new Array(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    steps[axis] = step;
    step *= shape[axis];
  }
  return steps;
}

/** The place of a flat index along each axis. */
export function unravel(index, shape) {
  const place = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    place[axis] = index % shape[axis];
    index = Math.floor(index / shape[axis]);
  }
  return place;
}

/**
 * The number `start + Σ steps[axis]·place[axis]` for every place of `shape`, in row-major order: the flat
 * indices that a reading with other steps visits.
 */
export function walk(shape, steps, start = 0) {
  const found = new Int32Array(size(shape));
  if (!found.length) return found;
  const place = new Array(shape.length).fill(0);
  let at = start;
  for (let index = 0; index < found.length; index += 1) {
    found[index] = at;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      at += steps[axis];
      place[axis] += 1;
      if (place[axis] < shape[axis]) break;
      at -= steps[axis] * shape[axis];
      place[axis] = 0;
    }
  }
  return found;
}

/** For each element of `output` the flat index of the element of `shape` that is broadcast to it. */
export function broadcastPlaces(shape, output) {
  const own = strides(shape), lead = output.length - shape.length;
  const steps = output.map((_, axis) => (axis < lead || shape[axis - lead] === 1 ? 0 : own[axis - lead]));
  return walk(output, steps);
}

/** One of them alone. */
export function broadcastPlace(shape, output, index) {
  const own = strides(shape), lead = output.length - shape.length;
  const place = unravel(index, output);
  return shape.reduce((at, length, axis) => at + (length === 1 ? 0 : place[axis + lead] * own[axis]), 0);
}

/** An axis as three lengths: the axes before it, its own, and those after it. */
export function split(shape, axis, count = 1) {
  return [size(shape.slice(0, axis)), size(shape.slice(axis, axis + count)), size(shape.slice(axis + count))];
}

/** Whether two tensors hold the same numbers; a NaN is the same as a NaN. */
export function same(a, b) {
  return a.data.length === b.data.length && a.data.every((x, index) => Object.is(x, b.data[index]));
}

/** Of the finite elements least, largest (null where there is none) and norm; how many are zero or not finite. */
export function summary(tensor) {
  const found = { min: null, max: null, norm: 0, nonfinite: { nan: 0, inf: 0 }, zeros: 0 };
  let scale = 0, squares = 0;
  for (const element of tensor.data) {
    const x = Number(element), large = Math.abs(x);
    if (Number.isNaN(x)) found.nonfinite.nan += 1;
    else if (large === Infinity) found.nonfinite.inf += 1;
    else {
      if (x === 0) found.zeros += 1;
      if (found.min === null || x < found.min) found.min = x;
      if (found.max === null || x > found.max) found.max = x;
      if (large > scale) {
        squares *= (scale / large) ** 2; // squares are kept relative to the largest: none overflows
        scale = large;
      }
      if (scale) squares += (large / scale) ** 2;
      found.norm = scale * Math.sqrt(squares);
    }
  }
  return found;
}

/** A number as a person writes it: the fewest digits that still give the same element. */
export function written(x, dtype) {
  const number = Number(x);
  if (!isFloat(dtype) || !Number.isFinite(number)) {
    return Number.isNaN(number) ? "nan" : String(x).replace("Infinity", "inf").replace("-", "−");
  }
  const round = rounding(dtype);
  let digits = 1;
  while (digits < 17 && round(Number(number.toPrecision(digits))) !== number) digits += 1;
  return String(Number(number.toPrecision(digits))).replace("-", "−");
}
