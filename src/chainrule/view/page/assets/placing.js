// Where everything stands: known layers and their known order, with the sizes that what is open has now.
//
// The order within layers is in the record.  Here each vertex is drawn to the mean of its neighbours as far
// as its layer leaves room, which is an isotonic regression; an open fold is placed first and is then one
// vertex of its size.

const SWEEPS = 13;
const GAP = 26;
const LAYER_GAP = 46;
const APPROACH = 9; // the last piece of a wire is upright, so that its head points into the shape
const PORT_GAP = 24;
const PAD = 18;
const TITLE = 30;

/**
 * @typedef {{key: string, node: number, fold: number, x: number, y: number, width: number, height: number}} Placed
 * @typedef {{fold: number, x: number, y: number, width: number, height: number}} Frame
 * @typedef {{values: number[], level: number, node: number, fold: number, index: number, leaves: boolean,
 *   from: number, fromFold: number, points: number[][]}} Piece
 */

/**
 * Places for all that is visible.
 * @param {object[]} layouts one a fold, as the record has them
 * @param {Set<number>} open the folds that are open
 * @param {(node: number, fold: number) => {width: number, height: number, above: number}} sizeOf of a closed
 *   shape: its whole block, and how much of the height stands above the shape itself
 * @returns {{items: Placed[], frames: Frame[], pieces: Piece[], width: number, height: number}}
 */
export function compose(layouts, open, sizeOf) {
  const scene = { items: [], frames: [], pieces: [] };
  const root = placeFold(layouts, 0, open, sizeOf);
  emit(root, 0, 0, scene);
  return { ...scene, width: root.width, height: root.height };
}

function placeFold(layouts, fold, open, sizeOf) {
  const layout = layouts[fold];
  const count = layout.items.length;
  const boxes = layout.items.map(([node, inner]) => {
    if (inner >= 0 && open.has(inner)) {
      const opened = placeFold(layouts, inner, open, sizeOf);
      return { width: opened.width + 2 * PAD, height: opened.height + TITLE + PAD, above: 0, opened };
    }
    return { ...sizeOf(node, inner), opened: null };
  });
  const widths = new Float64Array(layout.vertices);
  boxes.forEach((box, v) => { widths[v] = box.width; });
  const links = layout.edges.flatMap(([, source, target, , bends]) => {
    const way = [source, ...bends, target];
    return way.slice(1).map((v, k) => [way[k], v]);
  });
  const ports = layout.inputs.length + layout.outputs.length;
  const x = across(layout.rows, widths, links, count, count + ports);
  const heights = layout.rows.map((row) => Math.max(0, ...row.map((v) => (v < count ? boxes[v].height : 0))));
  const middles = [];
  let y = 0;
  heights.forEach((height, k) => {
    const port = (j) => j >= 0 && j < heights.length && layout.rows[j].every((v) => v >= count && v < count + ports);
    if (k) y += port(k) || port(k - 1) ? PORT_GAP : LAYER_GAP;
    middles.push(y + height / 2);
    y += height;
  });
  let left = Infinity, right = -Infinity;
  widths.forEach((width, v) => {
    left = Math.min(left, x[v] - width / 2);
    right = Math.max(right, x[v] + width / 2);
  });
  if (!widths.length) left = right = 0;
  const layer = new Int32Array(layout.vertices);
  layout.rows.forEach((row, k) => row.forEach((v) => { layer[v] = k; }));
  return {
    fold, layout, boxes, heights, layer, count,
    width: right - left, height: y,
    x: Array.from(x, (value) => value - left),
    middle: (v) => y - middles[layer[v]],
  };
}

/** Coordinates within the layers: sweeps that move each vertex to the mean of its neighbours. */
export function across(rows, widths, links, items, real) {
  const count = widths.length;
  const below = Array.from({ length: count }, () => []);
  const above = Array.from({ length: count }, () => []);
  for (const [source, target] of links) {
    below[target].push(source);
    above[source].push(target);
  }
  const x = new Float64Array(count);
  const offsets = rows.map((row) => {
    const middles = new Float64Array(row.length);
    for (let k = 1; k < row.length; k += 1) {
      const reach = (widths[row[k - 1]] + widths[row[k]]) / 2;
      middles[k] = middles[k - 1] + reach + (row[k] < items || row[k - 1] < items ? GAP : GAP / 2);
    }
    const half = row.length ? middles[row.length - 1] / 2 : 0;
    row.forEach((v, k) => { x[v] = middles[k] - half; });
    return middles;
  });
  const pull = Float64Array.from(widths, (_, v) => (v >= real ? 8 : below[v].length ? 1 : 0.05));
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const upwards = sweep % 2 === 0;
    for (let step = 0; step < rows.length; step += 1) {
      const k = upwards ? step : rows.length - 1 - step;
      const row = rows[k];
      const wish = row.map((v) => x[v]);
      const weight = row.map(() => 1);
      row.forEach((v, number) => {
        const [first, second] = upwards ? [below[v], above[v]] : [above[v], below[v]];
        const near = first.length ? first : second;
        if (!near.length) return;
        let total = 0, sum = 0;
        for (const u of near) {
          const force = v >= real || u < real ? pull[u] : 1;
          total += force;
          sum += force * x[u];
        }
        wish[number] = sum / total;
        weight[number] = v >= real ? 4 : below[v].length ? total : 0.05;
      });
      const fitted = isotonic(wish.map((value, number) => value - offsets[k][number]), weight);
      row.forEach((v, number) => { x[v] = fitted[number] + offsets[k][number]; });
    }
  }
  return x;
}

/** The non-decreasing sequence nearest to `wish` in weighted squares (pool adjacent violators). */
export function isotonic(wish, weight) {
  const means = [], weights = [], counts = [];
  for (let k = 0; k < wish.length; k += 1) {
    means.push(wish[k]);
    weights.push(weight[k]);
    counts.push(1);
    while (means.length > 1 && means[means.length - 2] > means[means.length - 1]) {
      const mean = means.pop(), mass = weights.pop(), size = counts.pop(), last = means.length - 1;
      means[last] = (means[last] * weights[last] + mean * mass) / (weights[last] + mass);
      weights[last] += mass;
      counts[last] += size;
    }
  }
  return means.flatMap((mean, k) => new Array(counts[k]).fill(mean));
}

/** The shapes and curves of a placed fold, moved to where it stands. */
function emit(placed, left, top, scene) {
  const { layout, boxes, count, fold } = placed;
  const ports = new Map();
  layout.inputs.forEach((value, k) => ports.set(`in:${value}`, count + k));
  layout.outputs.forEach((value, k) => ports.set(`out:${value}`, count + layout.inputs.length + k));
  const spots = boxes.map((box, v) => {
    const x = left + placed.x[v], y = top + placed.middle(v);
    const [node, inner] = layout.items[v];
    if (!box.opened) {
      const spot = { key: `${fold}:${v}`, node, fold: inner, x, y, width: box.width, height: box.height, above: box.above };
      scene.items.push(spot);
      return { ...spot, enter: () => null, leave: () => null };
    }
    const corner = [x - box.width / 2, y - box.height / 2];
    scene.frames.push({ fold: inner, node, x: corner[0], y: corner[1], width: box.width, height: box.height });
    const inside = emit(box.opened, corner[0] + PAD, corner[1] + TITLE, scene);
    return {
      x, y, height: box.height, above: 0,
      enter: (value) => (inside.has(`in:${value}`) ? [inside.get(`in:${value}`), corner[1] + box.height] : null),
      leave: (value) => {
        const port = inside.get(`out:${value}`) ?? inside.get(`out:${node}`);
        return port === undefined ? null : [port, corner[1]];
      },
    };
  });
  const edge = (v, value, leaving) => {
    if (v < count) {
      const spot = spots[v];
      const port = leaving ? spot.leave(value) : spot.enter(value);
      if (port) return port;
      // The curve starts on the shape itself and crosses the block's upper part, where its numbers stand.
      return leaving ? [spot.x, spot.y - spot.height / 2 + spot.above] : [spot.x, spot.y + spot.height / 2];
    }
    return [left + placed.x[v], top + (leaving ? placed.height + PAD : -TITLE)];
  };
  const entering = enteringOffsets(placed);
  const bundles = new Map();
  layout.edges.forEach(([value, source, target, index, bends], number) => {
    const start = edge(source, value, true), end = edge(target, value, false);
    if (target < count && !boxes[target].opened) end[0] += entering[number];
    const middle = [];
    for (const v of bends) {
      const x = left + placed.x[v], y = top + placed.middle(v), half = placed.heights[placed.layer[v]] / 2;
      middle.push([x, y + half], [x, y - half]);
    }
    const [node, inner] = target < count ? layout.items[target] : [-1, -1];
    const [from, fromFold] = source < count ? layout.items[source] : [-1, -1];
    // Up out of the layer and up into the next one, so that a tall neighbour is not crossed.
    const rim = (v, side) => top + placed.middle(v) + (side * placed.heights[placed.layer[v]]) / 2;
    const first = source < count ? [[start[0], rim(source, -1)]] : [];
    const last = target < count ? [[end[0], rim(target, 1) + APPROACH]] : [];
    const head = target < count && !boxes[target].opened;
    const points = straightened([start, ...first, ...middle, ...last, end]);
    // What goes into a closed fold from one shape is one wire.
    const bundle = head && inner >= 0 && source < count ? `${source}:${target}:${points[0]}` : null;
    const known = bundle && bundles.get(bundle);
    if (known) return known.values.push(value);
    const piece = { values: [value], level: fold, node: inner >= 0 ? -1 : node, fold: inner, index, leaves: target >= count, from, fromFold, head, points };
    scene.pieces.push(piece);
    return bundle && bundles.set(bundle, piece);
  });
  const found = new Map();
  for (const [name, v] of ports) found.set(name, left + placed.x[v]);
  return found;
}

/** Where several curves enter a shape they spread over its face, in the order in which they come. */
function enteringOffsets(placed) {
  const { layout, boxes, count } = placed;
  const groups = new Map();
  layout.edges.forEach(([, , target], number) => {
    if (target < count) groups.set(target, [...(groups.get(target) ?? []), number]);
  });
  const offsets = new Array(layout.edges.length).fill(0);
  for (const [target, all] of groups) {
    const folded = layout.items[target][1] >= 0 && !boxes[target].opened;
    const source = (number) => layout.edges[number][1];
    const numbers = folded ? all.filter((number, k) => all.findIndex((other) => source(other) === source(number)) === k) : all;
    const from = (number) => {
      const [, source, , , bends] = layout.edges[number];
      return placed.x[bends.length ? bends[bends.length - 1] : source];
    };
    numbers.sort((a, b) => from(a) - from(b));
    const spread = Math.min(18, (0.5 * boxes[target].width) / Math.max(numbers.length - 1, 1));
    const rank = new Map(numbers.map((number, k) => [source(number), k]));
    all.forEach((number) => {
      const k = folded ? rank.get(source(number)) : numbers.indexOf(number);
      offsets[number] = (k - (numbers.length - 1) / 2) * spread;
    });
  }
  return offsets;
}

/** The points without those that lie inside a straight run. */
function straightened(points) {
  return points.filter((point, k) => k === 0 || k === points.length - 1
    || Math.abs(points[k - 1][0] - point[0]) > 0.5 || Math.abs(points[k + 1][0] - point[0]) > 0.5);
}

/** A curve through points that leaves and enters each of them upright. */
export function curve(points) {
  let path = `M${points[0].map(round).join(" ")}`;
  for (let k = 1; k < points.length; k += 1) {
    const [x1, y1] = points[k - 1], [x2, y2] = points[k], middle = (y1 + y2) / 2;
    path += Math.abs(x1 - x2) < 0.5 ? `L${round(x2)} ${round(y2)}`
      : `C${round(x1)} ${round(middle)} ${round(x2)} ${round(middle)} ${round(x2)} ${round(y2)}`;
  }
  return path;
}

const round = (value) => Math.round(value * 10) / 10;
