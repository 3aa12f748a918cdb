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

/** What the page says of a tensor: least, largest, norm, and how many elements are zero or not finite. */
export function summary(tensor) {
  let min = Infinity, max = -Infinity, squares = 0, scale = 0, nan = 0, inf = 0, none = 0;
  for (const element of tensor.data) {
    const x = Number(element);
    if (Number.isNaN(x)) nan += 1;
    else if (!Number.isFinite(x)) inf += 1;
    if (x === 0) none += 1;
    if (x < min) min = x;
    if (x > max) max = x;
    const large = Math.abs(x);
    if (large > scale && large !== Infinity) {
      squares *= (scale / large) ** 2;
      scale = large;
    }
    if (scale && large !== Infinity) squares += (x / scale) ** 2;
  }
  const norm = nan ? NaN : inf ? Infinity : scale * Math.sqrt(squares);
  const empty = tensor.data.length === nan;
  return { min: empty ? NaN : min, max: empty ? NaN : max, norm, nonfinite: { nan, inf }, zeros: none };
}
