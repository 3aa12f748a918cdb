// Ops whose places are values: elements and rows taken, put and added; sorting; random numbers.

import { isFloat, isInteger, rounding, size, split, stored, wrap, zeros } from "chainrule/arrays";

/** Indices as numbers in [0, length), negative ones counted from the end. */
function resolved({ data }, length, what) {
  return Int32Array.from(data, (element) => {
    const place = Number(element);
    if (place < -length || place >= length) {
      throw new RangeError(`${what}: the index ${place} is outside an axis of length ${length}`);
    }
    return place < 0 ? place + length : place;
  });
}

/** Adds to one element of a typed array, rounded or wrapped as its dtype asks. */
function adder(dtype) {
  if (isFloat(dtype)) {
    const round = rounding(dtype);
    return (out, at, x) => { out[at] = round(out[at] + x); };
  }
  if (isInteger(dtype)) {
    return (out, at, x) => { out[at] = stored(dtype, wrap(dtype, BigInt(out[at]) + BigInt(x))); };
  }
  return (out, at, x) => { out[at] |= x; };
}

// -- slabs: take and its adjoint -----------------------------------------------------------------------------

/** A flat index of the longer side as (row of the axes before, which index, place in the slab). */
function slab(shape, axis, count, index) {
  const [, middle, after] = split(shape, axis, count);
  return [Math.floor(index / (middle * after)), Math.floor(index / after) % middle, index % after];
}

function taken([x, indices], { axis }, shape, dtype) {
  const length = x.shape[axis], rows = resolved(indices, length, "take"), rank = indices.shape.length;
  const out = zeros(dtype, size(shape)), after = size(x.shape.slice(axis + 1));
  for (let i = 0; i < out.length; i += 1) {
    const [row, which, place] = slab(shape, axis, rank, i);
    out[i] = x.data[(row * length + rows[which]) * after + place];
  }
  return out;
}

function readsOfTake({ axis }, [own, of], shape, index, inputs) {
  const [row, which, place] = slab(shape, axis, of.length, index);
  const length = own[axis], after = size(own.slice(axis + 1));
  const rows = inputs ? [resolved(inputs[1], length, "take")[which]] : upTo(length);
  return [rows.map((at) => (row * length + at) * after + place), [which]];
}

function scattered([updates, indices], { axis, length }, shape, dtype) {
  const rows = resolved(indices, length, "scatter"), rank = indices.shape.length;
  const out = zeros(dtype, size(shape)), add = adder(dtype), after = size(shape.slice(axis + 1));
  for (let i = 0; i < updates.data.length; i += 1) {
    const [row, which, place] = slab(updates.shape, axis, rank, i);
    add(out, (row * length + rows[which]) * after + place, updates.data[i]);
  }
  return out;
}

function readsOfScatter({ axis, length }, [own, of], shape, index, inputs) {
  const [row, at, place] = slab(shape, axis, 1, index), [, count, after] = split(own, axis, of.length);
  const rows = inputs && resolved(inputs[1], length, "scatter");
  const hits = upTo(count).filter((which) => !rows || rows[which] === at);
  return [hits.map((which) => (row * count + which) * after + place), upTo(count)];
}

const upTo = (count) => Array.from({ length: count }, (_, i) => i);

// -- lines: each line of an axis with indices of its own -----------------------------------------------------

/** The flat index of place `at` in the line of `shape` that runs through output element `index`. */
function inLine(shape, own, axis, index) {
  const [, length, after] = split(shape, axis);
  const row = Math.floor(index / (length * after)), column = index % after;
  return (at) => (row * own[axis] + at) * after + column;
}

const placeInLine = (shape, axis, index) => Math.floor(index / size(shape.slice(axis + 1))) % shape[axis];

function takenAlong([x, indices], { axis }, shape, dtype) {
  const places = resolved(indices, x.shape[axis], "take_along_axis"), out = zeros(dtype, size(shape));
  for (let i = 0; i < out.length; i += 1) out[i] = x.data[inLine(shape, x.shape, axis, i)(places[i])];
  return out;
}

function readsOfTakeAlong({ axis }, [own], shape, index, inputs) {
  const line = inLine(shape, own, axis, index);
  const places = inputs ? [resolved(inputs[1], own[axis], "take_along_axis")[index]] : upTo(own[axis]);
  return [places.map(line), [index]];
}

function addedAlong(out, values, indices, axis, length, shape) {
  const places = resolved(indices, length, "scatter_along_axis"), add = adder(values.dtype);
  for (let i = 0; i < values.data.length; i += 1) {
    add(out, inLine(values.shape, shape, axis, i)(places[i]), values.data[i]);
  }
  return out;
}

function readsOfAddedAlong(axis, own, shape, index, indices) {
  const line = upTo(own[axis]).map(inLine(shape, own, axis, index)), at = placeInLine(shape, axis, index);
  const places = indices && resolved(indices, shape[axis], "scatter_along_axis");
  return [line.filter((place) => !places || places[place] === at), line];
}

// -- rows of a table -----------------------------------------------------------------------------------------

function firstPlaces([indices], { length }) {
  const rows = Array.from(resolved(indices, length, "first_places"));
  return BigInt64Array.from(rows, (row) => BigInt(rows.indexOf(row)));
}

const counts = (first) => upTo(first.data.length).filter((i) => Number(first.data[i]) === i);

function putRows([x, rows, indices, first]) {
  const out = x.data.slice(), width = size(x.shape.slice(1)), at = resolved(indices, x.shape[0], "put_rows");
  for (const i of counts(first)) out.set(rows.data.subarray(i * width, (i + 1) * width), at[i] * width);
  return out;
}

function readsOfPut(settings, [own, , [count]], shape, index, inputs) {
  const width = size(own.slice(1)), row = Math.floor(index / width), column = index % width;
  const at = inputs && resolved(inputs[2], own[0], "put_rows");
  const hits = (inputs ? counts(inputs[3]) : upTo(count)).filter((i) => !at || at[i] === row);
  const kept = inputs && hits.length ? [] : [index];
  return [kept, hits.map((i) => i * width + column), upTo(count), upTo(count)];
}

function addRows([x, values, indices]) {
  const out = x.data.slice(), width = size(x.shape.slice(1)), rows = resolved(indices, x.shape[0], "add_rows");
  const add = adder(x.dtype);
  values.data.forEach((value, i) => add(out, rows[Math.floor(i / width)] * width + (i % width), value));
  return out;
}

function readsOfAddRows(settings, [own, , [count]], shape, index, inputs) {
  const width = size(own.slice(1)), row = Math.floor(index / width), column = index % width;
  const rows = inputs && resolved(inputs[2], own[0], "add_rows");
  const hits = upTo(count).filter((i) => !rows || rows[i] === row);
  return [[index], hits.map((i) => i * width + column), upTo(count)];
}

// -- sorting -------------------------------------------------------------------------------------------------

/** The places of a line in ascending order, equal elements in order, NaNs last. */
function order(line) {
  const nan = (x) => Number.isNaN(x), below = (x, y) => x < y || (nan(y) && !nan(x));
  return upTo(line.length).sort((a, b) => (below(line[a], line[b]) ? -1 : below(line[b], line[a]) ? 1 : a - b));
}

function perLine(rule) {
  return ([x], settings, shape, dtype) => {
    const out = zeros(dtype, x.data.length), [before, length, after] = split(shape, settings.axis);
    for (let row = 0; row < before; row += 1) {
      for (let column = 0; column < after; column += 1) {
        const at = (k) => (row * length + k) * after + column;
        const line = upTo(length).map((k) => x.data[at(k)]);
        rule(line, settings).forEach((element, k) => { out[at(k)] = element; });
      }
    }
    return out;
  };
}

function argsorted(line, { descending }) {
  if (!descending) return order(line).map(BigInt);
  return order([...line].reverse()).reverse().map((place) => BigInt(line.length - 1 - place));
}

const readsLine = ({ axis }, [own], shape, index) => [upTo(own[axis]).map(inLine(shape, own, axis, index))];

// -- random numbers: threefry2x32, words of 32 bits -----------------------------------------------------------

const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]];

/** Twenty rounds of add, rotate and exclusive or; the key enters after every fourth. */
function enciphered(key, x0, x1) {
  const keys = [key[0], key[1], (key[0] ^ key[1] ^ 0x1bd11bda) >>> 0];
  let a = (x0 + keys[0]) >>> 0, b = (x1 + keys[1]) >>> 0;
  for (let group = 1; group <= 5; group += 1) {
    for (const by of ROTATIONS[(group - 1) % 2]) {
      a = (a + b) >>> 0;
      b = (((b << by) | (b >>> (32 - by))) ^ a) >>> 0;
    }
    a = (a + keys[group % 3]) >>> 0;
    b = (b + keys[(group + 1) % 3] + group) >>> 0;
  }
  return [a, b];
}

function randomBits([{ data: key }], settings, shape) {
  const out = new Uint32Array(size(shape));
  for (let i = 0; i < out.length; i += 2) out.set(enciphered(key, i / 2, 0).slice(0, out.length - i), i);
  return out;
}

function foldedIn([{ data: key }, { data }], { domain }) {
  return Uint32Array.from(Array.from(data).flatMap((element) => {
    const x = BigInt(element), upper = Number((x >> 32n) & 0x7fffffffn) + domain;
    return enciphered(key, Number(BigInt.asUintN(32, x)), upper >>> 0);
  }));
}

function unitInterval([{ data }], settings, shape, dtype) {
  if (dtype === "float32") return Float32Array.from(data, (word) => (word >>> 8) * 2 ** -24);
  return Float64Array.from({ length: size(shape) }, (_, i) => (
    (data[2 * i] >>> 5) * 2 ** 26 + (data[2 * i + 1] >>> 6)) * 2 ** -53);
}

// -- the table -----------------------------------------------------------------------------------------------

const last = (shape) => ({ axis: shape.length - 1 });
const column = (tensor) => ({ ...tensor, shape: [...tensor.shape, 1] });

function oneHot([indices], { depth }, shape, dtype) {
  const out = zeros(dtype, size(shape));
  resolved(indices, depth, "one_hot").forEach((place, i) => { out[i * depth + place] = stored(dtype, 1); });
  return out;
}

export const indexing = {
  take: { forward: taken, reads: readsOfTake },
  scatter_add: { forward: scattered, reads: readsOfScatter },
  take_along_axis: { forward: takenAlong, reads: readsOfTakeAlong },
  scatter_along_axis: {
    forward: ([updates, indices], { axis, length }, shape, dtype) => (
      addedAlong(zeros(dtype, size(shape)), updates, indices, axis, length, shape)),
    reads: ({ axis }, [own], shape, index, inputs) => readsOfAddedAlong(axis, own, shape, index, inputs?.[1]),
  },
  add_along_axis: {
    forward: ([x, values, indices], { axis }, shape) => (
      addedAlong(x.data.slice(), values, indices, axis, shape[axis], shape)),
    reads: ({ axis }, [, own], shape, index, inputs) => (
      [[index], ...readsOfAddedAlong(axis, own, shape, index, inputs?.[2])]),
  },
  pick: {
    forward: ([x, indices], settings, shape, dtype) => (
      takenAlong([x, column(indices)], last(x.shape), [...shape, 1], dtype)),
    reads: (settings, [own, of], shape, index, inputs) => (
      readsOfTakeAlong(last(own), [own, [...of, 1]], [...shape, 1], index, inputs)),
  },
  one_hot: { forward: oneHot, reads: ({ depth }, shapes, shape, index) => [[Math.floor(index / depth)]] },
  place_in_axis: {
    forward: ([indices], { length }) => (
      BigInt64Array.from(resolved(indices, length, "index"), (place) => BigInt(place))),
    reads: (settings, shapes, shape, index) => [[index]],
  },
  first_places: { forward: firstPlaces, reads: (settings, [[count]]) => [upTo(count)] },
  put_rows: { forward: putRows, reads: readsOfPut },
  add_rows: { forward: addRows, reads: readsOfAddRows },
  sort: { forward: perLine((line) => order(line).map((place) => line[place])), reads: readsLine },
  argsort: { forward: perLine(argsorted), reads: readsLine },
  random_bits: { forward: randomBits, reads: () => [[0, 1]] },
  fold_in: { forward: foldedIn, reads: (settings, shapes, shape, index) => [[0, 1], [Math.floor(index / 2)]] },
  unit_interval: {
    forward: unitInterval,
    reads: (settings, [own], shape, index) => (
      [own.length === shape.length ? [index] : [2 * index, 2 * index + 1]]),
  },
};
