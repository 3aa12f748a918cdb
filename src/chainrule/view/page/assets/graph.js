// The picture of the graph: shapes, wires and frames of what is visible, and how far the walk has come.

import { Camera } from "chainrule/camera";
import { compose, curve } from "chainrule/placing";
import { card, drawMark, drawShape, foldName, outputs, plainNumber, size, textWidth } from "chainrule/shapes";
import { many, short, spokenDimensions } from "chainrule/numbers";
import { scalar } from "chainrule/store";
import { svg } from "chainrule/svg";

/** More shapes than this are not drawn at once: folds stay closed, and the page says so. */
export const MOST_SHAPES = 3000;
const MOST_MOVING = 500;

/** Draws what is open, and tells of clicks and keys by `events.select(node, fold)` and `events.toggle(fold)`. */
export class Graph {
  constructor(host, page, events) {
    this.page = page;
    this.record = page.record;
    this.events = events;
    this.open = new Set([0]);
    this.cards = new Map();
    this.chains = this.record.folds.map(() => []);
    for (const fold of this.record.folds) {
      this.chains[fold.id] = [...(fold.parent === null ? [] : this.chains[fold.parent]), fold.id];
    }
    this.layers = Object.fromEntries(["frames", "wires", "shapes", "notes"].map((name) => [name, svg("g", { class: name })]));
    this.world = svg("g", { class: "world" }, ...Object.values(this.layers));
    const arrow = (name) => svg("marker", { id: `arrow-${name}`, viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 9,
      markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { class: name, d: "M0 1 L10 5 L0 9 z" }));
    this.root = svg("svg", { class: "graph", role: "group", "aria-label": "The graph. Arrows up and down follow the wires, Enter opens and closes." },
      svg("defs", {}, arrow("plain"), arrow("forward"), arrow("backward")), this.world);
    host.append(this.root);
    this.camera = new Camera(host, this.world);
    this.shapes = new Map();
    this.root.addEventListener("click", (event) => this._clicked(event));
    this.root.addEventListener("dblclick", (event) => this._clicked(event, true));
    this.root.addEventListener("keydown", (event) => this._pressed(event));
    this.focused = null;
  }

  /** Opens what is small enough to be seen at once. */
  openInitially() {
    let total = this.record.layouts[0].items.length;
    const queue = [...this.record.folds[0].folds];
    while (queue.length) {
      const fold = queue.shift(), inner = this.record.layouts[fold].items.length;
      if (this.record.folds[fold].kind !== "module" || total + inner - 1 > 30) continue;
      total += inner - 1;
      this.open.add(fold);
      queue.push(...this.record.folds[fold].folds);
    }
  }

  /** The visible shape of a node: itself, or the closed fold that holds it. */
  representative(id) {
    const node = this.record.nodes[id];
    const closed = this.chains[node.fold].find((fold) => !this.open.has(fold));
    if (closed !== undefined) {
      const composite = this.record.folds[closed].node;
      return { node: composite ?? -1, fold: closed, hidden: composite !== id };
    }
    const own = this.foldOf(id);
    if (own !== -1 && this.open.has(own)) return { node: id, fold: own, hidden: true, frame: true };
    return { node: id, fold: own, hidden: false };
  }

  /** The fold that a composite opens; −1 for any other node. */
  foldOf(id) {
    this.opened ??= new Map(this.record.folds.filter((fold) => fold.node !== null).map((fold) => [fold.node, fold.id]));
    return this.opened.get(id) ?? -1;
  }

  /** Whether a node is inside a fold, at any depth, or is the composite itself. */
  inside(id, fold) {
    return this.record.folds[fold].node === id || this.chains[this.record.nodes[id].fold].includes(fold);
  }

  /** Opens or closes a fold; false where the picture would be too large. */
  toggle(fold, wanted = !this.open.has(fold)) {
    if (wanted === this.open.has(fold)) return true;
    const next = new Set(this.open);
    if (wanted) this.chains[fold].forEach((above) => next.add(above));
    else next.delete(fold);
    if (wanted && this._count(next) > MOST_SHAPES) return false;
    const anchor = this._anchor(fold);
    this.open = next;
    this.draw(true, anchor ? { fold, at: anchor } : null);
    return true;
  }

  /** Opens everything as far as MOST_SHAPES allows; the number of folds that stayed closed. */
  openAll() {
    const next = new Set([0]);
    let count = this.record.layouts[0].items.length, left = 0;
    for (const { id, parent } of this.record.folds.slice(1)) {
      const inner = this.record.layouts[id].items.length;
      if (!next.has(parent) || count + inner > MOST_SHAPES) left += 1;
      else {
        next.add(id);
        count += inner;
      }
    }
    this.open = next;
    this.draw(true);
    return left;
  }

  closeAll() {
    this.open = new Set([0]);
    this.draw(true);
  }

  _count(open) {
    const visible = (fold) => open.has(fold) && (fold === 0 || visible(this.record.folds[fold].parent));
    return [...open].filter(visible).reduce((all, fold) => all + this.record.layouts[fold].items.length, 0);
  }

  _anchor(fold) {
    const frame = this.scene.frames.find((found) => found.fold === fold);
    if (frame) return [frame.x + frame.width / 2, frame.y + frame.height / 2];
    const item = this.scene.items.find((found) => found.fold === fold);
    return item ? [item.x, item.y] : null;
  }

  _card(id, fold) {
    const key = `${id}:${fold}`;
    if (!this.cards.has(key)) this.cards.set(key, card(this.record, id, fold));
    return this.cards.get(key);
  }

  /** Places and draws everything; shapes that stay glide to their new places. */
  draw(moving = false, anchor = null) {
    this.scene = compose(this.record.layouts, this.open, (id, fold) => this._card(id, fold));
    this.camera.size = [this.scene.width, this.scene.height];
    this.root.classList.toggle("moving", moving && this.scene.items.length <= MOST_MOVING && !this.camera.calm);
    const before = this.shapes;
    this.shapes = new Map();
    const fresh = [];
    for (const item of this.scene.items) {
      const shape = before.get(item.key) ?? this._shape(item);
      before.delete(item.key);
      Object.assign(shape, { item });
      const found = this._card(item.node, item.fold);
      shape.element.style.transform = `translate(${item.x}px, ${item.y + found.above / 2}px)`;
      this.shapes.set(item.key, shape);
      if (!shape.element.parentNode) fresh.push(shape.element);
    }
    for (const shape of before.values()) shape.element.remove();
    this.layers.shapes.append(...fresh);
    this.layers.frames.replaceChildren(...this.scene.frames.map((frame) => this._frame(frame)));
    this.wires = this.scene.pieces.map((piece) => {
      const element = svg("path", { class: `wire${piece.head ? " head" : ""}`, d: curve(piece.points) });
      return { piece, element, state: "" };
    });
    this.layers.wires.replaceChildren(...this.wires.map(({ element }) => element));
    this.layers.notes.replaceChildren();
    if (anchor) this.camera.hold(anchor.at, this._anchor(anchor.fold) ?? anchor.at);
    if (moving) this.camera.tidy();
    this._focusable();
    this.events.drawn?.();
  }

  _shape(item) {
    const found = this._card(item.node, item.fold);
    const value = svg("g", { class: "holder" }), gradient = svg("g", { class: "holder" });
    const element = svg("g", {
      class: `shape ${found.kind}${item.node >= 0 && plainNumber(this.record.nodes[item.node]) ? " plain" : ""}`, role: "button", tabindex: -1, "data-key": item.key,
      "data-node": item.node >= 0 ? item.node : null, "data-fold": item.fold >= 0 ? item.fold : null,
      "aria-expanded": item.fold >= 0 ? "false" : null,
    }, svg("g", { class: "ring" }, ringOf(found)), ...drawShape(this.record, item.node, item.fold, found), gradient, value);
    return { element, item, value, gradient, marks: ["", ""], label: "" };
  }

  _frame({ fold, x, y, width, height }) {
    const held = this.record.folds[fold];
    const name = foldName(held);
    return svg("g", { class: `frame ${held.kind}`, role: "button", tabindex: -1, "data-fold": fold, "data-frame": "true",
      "aria-expanded": "true", "aria-label": `${name}, open; Enter closes it` },
    svg("rect", { class: "area", x, y, width, height, rx: 14 }),
    svg("rect", { class: "bar", x: x + 8, y: y + 5, width: Math.min(width - 16, 30 + name.length * 8), height: 22, rx: 6 }),
    svg("path", { class: "closer", d: `M${x + 15} ${y + 16}h9` }),
    svg("text", { class: "frame-name", x: x + 30, y: y + 20.5, "font-size": 13 }, name));
  }

  // -- what the walk shows ----------------------------------------------------------------------------

  /**
   * Marks how far the walk has come.
   * @param {{now: number, phase: "forward"|"backward", valued: (id: number) => boolean,
   *   graded: (id: number) => boolean, selected: number, selectedFold: number}} state
   */
  show(state) {
    const current = this.representative(state.now);
    for (const shape of this.shapes.values()) {
      const { node, fold } = shape.item;
      const now = node >= 0 ? node === current.node && (fold < 0 || fold === current.fold) : fold === current.fold;
      const done = node >= 0 ? state.valued(node) : outputs(this.record, fold).every(state.valued);
      const selected = node >= 0 ? node === state.selected : fold === state.selectedFold;
      set(shape.element, "data-state", now ? state.phase : done ? "done" : "ahead");
      shape.element.classList.toggle("selected", selected);
      if (now) shape.element.setAttribute("aria-current", "step");
      else shape.element.removeAttribute("aria-current");
      this._marks(shape, state);
    }
    const shownNow = current.frame ? this.record.folds[current.fold].output ?? state.now : state.now;
    this._wires(state, shownNow);
    this._notes(state);
  }

  _marks(shape, state) {
    const { node, fold } = shape.item;
    const out = node < 0 ? outputs(this.record, fold) : [node];
    const id = out.length === 1 ? out[0] : -1;
    const plain = id < 0 || plainNumber(this.record.nodes[id]);
    const keys = [!plain && state.valued(id) ? `value:${id}` : "", !plain && state.graded(id) ? `gradient:${id}` : ""];
    const { store } = this.page, height = this._card(node, fold).inner[1];
    const version = `${store.version ?? 0}`, told = `${keys}/${version}`;
    if (shape.told === told) return;
    shape.told = told;
    [shape.value, shape.gradient].forEach((holder, k) => {
      const wanted = keys[k] && `${keys[k]}/${version}`;
      if (shape.marks[k] === wanted) return;
      shape.marks[k] = wanted;
      holder.replaceChildren(...(keys[k] ? [drawMark(store, keys[k], k ? -1 : 1, height)] : []));
    });
    const label = this._label(node, fold, keys);
    if (label !== shape.label) shape.element.setAttribute("aria-label", (shape.label = label));
  }

  _label(id, fold, [value, gradient]) {
    const held = fold >= 0 ? this.record.folds[fold] : null;
    const node = id >= 0 ? this.record.nodes[id] : null;
    const told = (place, name) => {
      const view = place && this.page.store.view(place);
      if (!view) return "";
      const number = scalar(view);
      return `, ${name} ${this.page.store.conceals(place) ? "hidden" : number === null ? "a tensor" : short(number)}`;
    };
    const what = node ? [node.label, node.inputs.length ? node.name ?? node.symbol : "", spokenDimensions(node.shape)].filter(Boolean).join(", ")
      : `${foldName(held)}, ${many(size(this.record, fold), "node")}`;
    return `${what}${told(value, "value")}${told(gradient, "gradient")}${held ? ", Enter opens it" : ""}`;
  }

  /** The wires that carry this step: into the node forward, out of it backward. */
  _wires(state, now) {
    const consumers = state.phase === "backward" ? state.consumers(now) : null;
    for (const wire of this.wires) {
      const { piece } = wire;
      let lit = "";
      if (state.phase === "forward") {
        if (state.inputs(now).some((id) => this._carries(piece, id)) && this._leads(piece, now)) lit = "forward";
      } else if (this._carries(piece, now) && consumers.some((id) => this._leads(piece, id))) lit = "backward";
      if (wire.state !== lit) {
        set(wire.element, "data-lit", (wire.state = lit));
      }
    }
  }

  /** Whether a node's value runs along a wire; a composite's comes out of its parts, under their numbers. */
  _carries({ values }, id) {
    for (let part = id; part !== null && part !== undefined; part = this.record.folds[this.foldOf(part)]?.output) {
      if (values.includes(part)) return true;
    }
    return false;
  }

  _leads(piece, id) {
    if (piece.node >= 0) return piece.node === id;
    if (piece.fold >= 0) return this.inside(id, piece.fold);
    return piece.leaves && !this.chains[this.record.nodes[id].fold].includes(piece.level);
  }

  /** Products of numbers stand on the wires they came along. */
  _notes(state) {
    const notes = [];
    for (const { piece, element, state: lit } of this.wires) {
      if (lit !== "backward" || !piece.head) continue;
      const text = state.product(piece);
      if (!text) continue;
      const { x, y } = element.getPointAtLength(Math.max(element.getTotalLength() - 40, element.getTotalLength() / 2));
      const width = textWidth(text, 13, "600") + 12;
      notes.push(svg("g", { class: "note" }, svg("rect", { x: x - width / 2, y: y - 10, width, height: 20, rx: 10 }), svg("text", { x, y: y + 4.6 }, text)));
    }
    this.layers.notes.replaceChildren(...notes);
  }

  /** Marks shapes and wires that an element came from or passed through; null takes the marks away. */
  light(nodes, edges) {
    if (nodes === null && !this.root.classList.contains("tracing")) return;
    this.root.classList.toggle("tracing", nodes !== null);
    for (const { element, item } of this.shapes.values()) {
      const hit = nodes !== null && (item.node >= 0 ? nodes.has(item.node) : [...nodes].some((id) => this.inside(id, item.fold)));
      element.classList.toggle("traced", hit);
    }
    for (const { element, piece } of this.wires) {
      const hit = nodes !== null && edges.some(([from, to]) => this._carries(piece, from) && this._leads(piece, to));
      element.classList.toggle("traced", hit);
    }
  }

  /** The rectangle of the picture that a node is drawn in. */
  boxOf(id) {
    const found = this.representative(id);
    const frame = found.frame && this.scene.frames.find((one) => one.fold === found.fold);
    if (frame) return frame;
    const item = this.scene.items.find((one) => (found.node >= 0 ? one.node === found.node : one.fold === found.fold));
    return item && { x: item.x - item.width / 2, y: item.y - item.height / 2, width: item.width, height: item.height };
  }

  // -- pointer and keys -------------------------------------------------------------------------------

  _clicked(event, twice = false) {
    const group = event.target.closest("[data-key], [data-frame]");
    if (!group) return;
    const fold = group.dataset.fold === undefined ? -1 : Number(group.dataset.fold);
    if (group.dataset.frame) {
      if (!twice && event.target.closest(".bar, .closer, .frame-name")) this.events.toggle(fold);
      return;
    }
    const id = group.dataset.node === undefined ? -1 : Number(group.dataset.node);
    const opener = event.target.closest(".opener");
    if (fold >= 0 && (opener || id < 0)) { if (!twice) this.events.toggle(fold); } // a module is not a value to select
    else if (fold >= 0 && twice) this.events.toggle(fold);
    else if (!twice) this.events.select(id, fold);
  }

  _pressed(event) {
    const group = event.target.closest("[data-key], [data-frame]");
    if (!group || event.altKey || event.ctrlKey || event.metaKey) return;
    const fold = group.dataset.fold === undefined ? -1 : Number(group.dataset.fold);
    const id = group.dataset.node === undefined ? -1 : Number(group.dataset.node);
    if (event.key === "Enter" || event.key === " ") {
      if (fold >= 0) this.events.toggle(fold, true);
      else this.events.select(id, fold);
    } else if (event.key === "Escape") {
      const parent = group.dataset.frame ? fold : this.scene.items.length && Number(group.dataset.key.split(":")[0]);
      if (!parent) return;
      this.events.toggle(parent, true);
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown") this._along(group, event.key === "ArrowUp");
    else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && event.shiftKey) this._beside(group, event.key === "ArrowRight");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Focus moves along a wire, up to a reader or down to an input; to the nearest shape where none leads. */
  _along(group, up) {
    const from = this._middle(group);
    const key = group.dataset.key;
    const [level, vertex] = key ? key.split(":").map(Number) : [null, null];
    const wired = key ? this.record.layouts[level].edges
      .filter(([, source, target]) => (up ? source : target) === vertex)
      .map(([, source, target]) => this.shapes.get(`${level}:${up ? target : source}`)).filter(Boolean) : [];
    if (wired.length) this._go(wired[0]);
    else this._nearest(from, (to) => (up ? to[1] < from[1] - 4 : to[1] > from[1] + 4));
  }

  _beside(group, right) {
    const from = this._middle(group);
    this._nearest(from, (to) => (right ? to[0] > from[0] + 4 : to[0] < from[0] - 4) && Math.abs(to[1] - from[1]) < 60);
  }

  _middle(group) {
    const item = this.shapes.get(group.dataset.key)?.item ?? this.scene.frames.find((one) => one.fold === Number(group.dataset.fold));
    return [item.x, item.y];
  }

  _nearest(from, allowed) {
    const found = [...this.shapes.values()].filter(({ item }) => allowed([item.x, item.y]))
      .map((shape) => [Math.hypot(shape.item.x - from[0], 1.5 * (shape.item.y - from[1])), shape])
      .sort((a, b) => a[0] - b[0]);
    if (found.length) this._go(found[0][1]);
  }

  _go({ element, item }) {
    this._focusable(element);
    element.focus({ preventScroll: true });
    this.camera.show({ x: item.x - item.width / 2, y: item.y - item.height / 2, width: item.width, height: item.height });
    if (item.node >= 0) this.events.select(item.node, item.fold);
  }

  /** One shape at a time is reached by Tab. */
  _focusable(element = this.focused) {
    this.focused?.setAttribute("tabindex", -1);
    const chosen = element?.isConnected ? element : this.shapes.values().next().value?.element ?? null;
    chosen?.setAttribute("tabindex", 0);
    this.focused = chosen;
  }

  /** Focus goes to the shape of a fold that was opened or closed by key. */
  focusFold(fold) {
    const element = this.layers.frames.querySelector(`[data-fold="${fold}"]`) ?? this.layers.shapes.querySelector(`[data-fold="${fold}"]`);
    if (!element) return;
    this._focusable(element);
    element.focus({ preventScroll: true });
  }
}

function ringOf({ shape, inner: [width, height] }) {
  return shape === "oval" ? svg("ellipse", { rx: width / 2 + 5, ry: height / 2 + 5 })
    : svg("rect", { x: -width / 2 - 5, y: -height / 2 - 5, width: width + 10, height: height + 10, rx: shape === "fold" ? 14 : 7 });
}

function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
