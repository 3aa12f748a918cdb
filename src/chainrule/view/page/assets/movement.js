// Ops that only move elements: each output element is one input element, or a border's value.

import { broadcastPlaces, size, split, stored, strides, unravel, walk, zeros } from "chainrule/arrays";

// Each rule: (settings, inputShape, outputShape) -> the flat index read for each output element, -1 for none.
const PLACES = {
  reshape: (settings, own, shape) => walk(shape, strides(shape)),
  class_index: (settings, own, shape) => walk(shape, strides(shape)),
  broadcast_to: (settings, own, shape) => broadcastPlaces(own, shape),
  permute_dims: ({ axes }, own, shape) => {
    const steps = strides(own);
    return walk(shape, axes.map((axis) => steps[axis]));
  },
  slice: ({ slices }, own, shape) => {
    const steps = strides(own);
    const start = slices.reduce((at, [first], axis) => at + first * steps[axis], 0);
    return walk(shape, slices.map(([, , step], axis) => step * steps[axis]), start);
  },
  embed: ({ slices }, own, shape) => inverted(PLACES.slice({ slices }, shape, own), shape),
  pad: ({ widths }, own, shape) => {
    const inside = widths.map(([before], axis) => [before, own[axis], 1]);
    return PLACES.embed({ slices: inside }, own, shape);
  },
  roll: ({ shift, axis }, own, shape) => {
    const total = shape.map((_, number) => axis.reduce((sum, at, i) => sum + (at === number ? shift[i] : 0), 0));
    const steps = strides(own);
    return Int32Array.from({ length: size(shape) }, (_, index) => unravel(index, shape).reduce(
      (at, place, number) => at + modulo(place - total[number], own[number]) * steps[number], 0));
  },
  sliding_windows: ({ places }, own, shape) => walk(shape, windowSteps(places, own)),
};

const modulo = (x, length) => ((x % length) + length) % length;

function inverted(places, shape) {
  const found = new Int32Array(size(shape)).fill(-1);
  places.forEach((place, index) => { found[place] = index; });
  return found;
}

/** The steps of the axes that count windows, then of the axes inside a window. */
function windowSteps(places, own) {
  const steps = strides(own), inside = places.map(([axis, , , dilation]) => steps[axis] * dilation);
  const counting = [...steps];
  for (const [axis, , stride] of places) counting[axis] *= stride;
  return [...counting, ...inside];
}

function moved(name) {
  return ([{ data, shape: own }], settings, shape, dtype) => {
    const places = PLACES[name](settings, own, shape), out = zeros(dtype, places.length);
    const border = stored(dtype, settings.value ?? 0);
    for (let i = 0; i < out.length; i += 1) out[i] = places[i] < 0 ? border : data[places[i]];
    return out;
  };
}

function readsOne(name) {
  return (settings, [own], shape, index) => {
    const place = PLACES[name](settings, own, shape)[index];
    return [place < 0 ? [] : [place]];
  };
}

function heldToRange(inputs, settings, shape, dtype) {
  for (const element of inputs[0].data) {
    if (element < 0 || element >= settings.count) {
      throw new RangeError(`${settings.what}: ${element} is none of the ${settings.count} ${settings.of}`);
    }
  }
  return moved("class_index")(inputs, {}, shape, dtype);
}

// -- several inputs, several sources ------------------------------------------------------------------------

function concatenated(inputs, { axis }, shape, dtype) {
  const out = zeros(dtype, size(shape)), [before, length, after] = split(shape, axis);
  let start = 0;
  for (const { data, shape: own } of inputs) {
    const block = own[axis] * after;
    for (let row = 0; row < before; row += 1) {
      out.set(data.subarray(row * block, (row + 1) * block), row * length * after + start);
    }
    start += block;
  }
  return out;
}

function readsOfConcat({ axis }, shapes, shape, index) {
  const [, length, after] = split(shape, axis), row = Math.floor(index / (length * after));
  let rest = index % (length * after);
  return shapes.map((own) => {
    const block = own[axis] * after, inside = rest >= 0 && rest < block;
    const found = inside ? [row * block + rest] : [];
    rest = inside ? -1 : rest - block;
    return found;
  });
}

/** Windows are added offset by offset, the later ones to the sum of those before. */
function overlapped([{ data, shape: own }], settings, shape, dtype) {
  const out = zeros(dtype, size(shape)), count = settings.places.length, lead = own.length - count;
  const steps = windowSteps(settings.places, shape), inner = size(own.slice(lead));
  const starts = walk(own.slice(0, lead), steps.slice(0, lead)), offsets = walk(own.slice(lead), steps.slice(lead));
  for (let offset = 0; offset < inner; offset += 1) {
    for (let at = 0; at < starts.length; at += 1) out[starts[at] + offsets[offset]] += data[at * inner + offset];
  }
  return out;
}

function readsOfOverlap({ places }, [own], shape, index) {
  const found = [];
  walk(own, windowSteps(places, shape)).forEach((place, window) => { if (place === index) found.push(window); });
  return [found];
}

export const movement = {
  concat: { forward: concatenated, reads: readsOfConcat },
  overlap_add: { forward: overlapped, reads: readsOfOverlap },
};
for (const name of Object.keys(PLACES)) movement[name] = { forward: moved(name), reads: readsOne(name) };
movement.class_index.forward = heldToRange;
