// Where an element came from, and every way by which its gradient reached it.
//
// Elements are followed through the graph of primitive ops: a composite stands for the part that has its
// value.  What one element of an op reads is known from the op's forward rule alone.

import { reads } from "chainrule/operations";

const MOST_READS = 60_000;

/** Follows elements through a record; `tensor(place)` gives whole tensors where they are known. */
export class Provenance {
  constructor(record, tensor) {
    this.record = record;
    this.tensor = tensor;
    const parts = new Map(record.folds.filter((fold) => fold.node !== null).map((fold) => [fold.node, fold.output]));
    this.real = record.nodes.map(({ id }) => {
      let found = id;
      while (parts.has(found) && parts.get(found) !== null) found = parts.get(found);
      return found;
    });
    this.readers = record.nodes.map(() => []);
    for (const node of record.nodes) {
      if (this.real[node.id] === node.id) node.inputs.forEach((input, k) => this.readers[this.real[input]].push([node.id, k]));
    }
    this.cache = new Map();
  }

  shape(id) { return this.record.nodes[id].shape; }
  size(id) { return this.shape(id).reduce((all, side) => all * side, 1); }

  /** What element `flat` of a node reads, for each of its inputs. */
  reads(id, flat) {
    const node = this.record.nodes[id];
    if (!node.inputs.length) return [];
    if (!node.settings) return node.inputs.map(() => "all");
    if (!this.cache.has(id)) {
      const tensors = node.inputs.map((input) => this.tensor(`value:${input}`));
      this.cache.set(id, tensors.every(Boolean) ? tensors : null);
    }
    return reads(node.op, node.settings, node.inputs.map((input) => this.shape(input)), node.shape, flat, this.cache.get(id));
  }

  /**
   * Everything that an element's value was computed from.
   * @returns {{elements: Map<number, Set<number>|"all">, edges: number[][]}} by node, and the edges used
   */
  sources(id, flat) {
    const elements = new Map([[this.real[id], new Set([flat])]]), edges = [];
    let left = MOST_READS;
    for (let at = this.real[id]; at >= 0; at -= 1) {
      const wanted = elements.get(at), node = this.record.nodes[at];
      if (!wanted || this.real[at] !== at || !node.inputs.length) continue;
      const used = new Set();
      const add = (k, found) => {
        const input = this.real[node.inputs[k]];
        if (found !== "all" && !found.length) return;
        used.add(node.inputs[k]);
        const before = elements.get(input);
        if (before === "all") return;
        if (found === "all" || before?.size === this.size(input)) elements.set(input, "all");
        else elements.set(input, new Set([...(before ?? []), ...found]));
      };
      const each = wanted === "all" || left < wanted.size ? null : [...wanted];
      if (each === null) node.inputs.forEach((_, k) => add(k, "all"));
      else {
        left -= each.length;
        for (const one of each) this.reads(at, one).forEach((found, k) => add(k, found));
      }
      edges.push(...[...used].map((from) => [from, at]));
    }
    return { elements, edges };
  }

  /**
   * Every way from an element forward to the output: those by which its gradient came back.
   * @returns {{elements: Map<number, Set<number>|"all">, edges: number[][], ways: number}} `ways` counts
   *   the ways from element to element; NaN where there are too many to follow
   */
  ways(id, flat) {
    const start = this.real[id], output = this.real[this.record.output];
    const reached = new Map([[start, new Map([[flat, 1]])]]), edges = [];
    const live = this._towards(output);
    let exact = true, left = MOST_READS;
    for (let at = start + 1; at <= output; at += 1) {
      const node = this.record.nodes[at];
      if (this.real[at] !== at || !live.has(at) || !node.inputs.some((input) => reached.has(this.real[input]))) continue;
      const found = new Map(), count = this.size(at);
      const used = new Set();
      if ((left -= count) < 0) {
        exact = false;
        for (let j = 0; j < Math.min(count, 4096); j += 1) found.set(j, 1);
        node.inputs.filter((input) => reached.has(this.real[input])).forEach((input) => used.add(input));
      } else {
        for (let j = 0; j < count; j += 1) this._into(at, j, reached, found, used);
      }
      if (!found.size) continue;
      reached.set(at, found);
      edges.push(...[...used].map((from) => [from, at]));
    }
    // Only what goes on to the output carried anything back.
    const arrived = this._arriving(reached, output);
    const elements = new Map([...reached].filter(([at]) => arrived.has(at)).map(([at, found]) => [at, new Set(found.keys())]));
    const ways = reached.get(output)?.get(0) ?? 0;
    return { elements, edges: edges.filter(([from, to]) => arrived.has(to) && arrived.has(this.real[from])), ways: exact ? ways : NaN };
  }

  _into(at, j, reached, found, used) {
    const { inputs } = this.record.nodes[at];
    this.reads(at, j).forEach((read, k) => {
      const from = reached.get(this.real[inputs[k]]);
      if (!from || !this._flows(inputs[k])) return;
      let ways = 0;
      if (read === "all") for (const count of from.values()) ways += count;
      else for (const one of read) ways += from.get(one) ?? 0;
      if (!ways) return;
      used.add(inputs[k]);
      found.set(j, (found.get(j) ?? 0) + ways);
    });
  }

  /** Nothing flows back along what has no gradient, such as an index. */
  _flows(id) { return this.record.nodes[id].gradient !== null || this.record.nodes[this.real[id]].gradient !== null; }

  _towards(output) {
    const live = new Set([output]);
    for (let at = output; at >= 0; at -= 1) {
      if (live.has(at)) this.record.nodes[at].inputs.forEach((input) => live.add(this.real[input]));
    }
    return live;
  }

  _arriving(reached, output) {
    const arrived = new Set([output]);
    for (const at of [...reached.keys()].sort((a, b) => b - a)) {
      if (!arrived.has(at)) continue;
      for (const input of this.record.nodes[at].inputs) if (reached.has(this.real[input])) arrived.add(this.real[input]);
    }
    return arrived;
  }
}
