// The page: reads the record, joins graph, walk and panel, and is what other modules attach to.

import { Graph, MOST_SHAPES } from "chainrule/graph";
import { dimensions, short } from "chainrule/numbers";
import { Panel } from "chainrule/panel";
import { Provenance } from "chainrule/provenance";
import { scalar, Store } from "chainrule/store";
import { Walk } from "chainrule/walk";

const find = (id) => document.getElementById(id);

/** What modules such as what-if and practice are given. */
export class Page {
  constructor(record) {
    this.record = record;
    this.store = new Store(record);
    this.provenance = new Provenance(record, (place) => this.store.tensor(place));
    this.selected = record.walk.forward[0] ?? record.output;
    this.selectedFold = -1;
    this.traced = null;
    this.listeners = { select: [], change: [] };
    this.isOpen = (id) => this.graph.open.has(this.graph.foldOf(id));
    this.graph = new Graph(find("stage"), this, {
      select: (id, fold) => (id >= 0 ? this.select(id, { move: false }) : this._selectFold(fold)),
      toggle: (fold, byKey) => this.toggle(fold, byKey),
      drawn: () => this._drawn(),
    });
    this.walk = new Walk(find("walk"), record, {
      isStop: (phase, id, index) => this._isStop(phase, id, index),
      name: (id) => this._name(id),
      moved: () => this._moved(),
    });
    this.panels = new Panel(find("panel"), this);
  }

  // -- for other modules ------------------------------------------------------------------------------

  /** The section of the side panel of that name, made when asked. */
  panel(name, title) { return this.panels.section(name, title); }

  /** The whole tensor shown at a place such as `value:3`; null where the record keeps only its ends. */
  tensor(place) { return this.store.tensor(place); }

  onSelect(rule) { this.listeners.select.push(rule); }
  onChange(rule) { this.listeners.change.push(rule); }

  /** Tells a screen reader. */
  announce(text) { find("live").textContent = text; }

  /** Show other tensors, by place; null shows the recorded ones again. */
  replaceTensors(tensors) {
    this.store.replaced = tensors;
    if (tensors) document.body.dataset.changed = "true";
    else delete document.body.dataset.changed;
    this.provenance.cache.clear();
    this._refresh();
    this.listeners.change.forEach((rule) => rule());
  }

  /** Hide the places of a set; null hides nothing. */
  conceal(places) {
    this.store.hidden = places;
    document.body.toggleAttribute("data-concealing", Boolean(places?.size));
    this._refresh();
  }

  /** Select a node: the panel shows it, and it is brought into view. */
  select(id, { move = true } = {}) {
    this.selected = id;
    this.selectedFold = -1;
    if (move) {
      const box = this.graph.boxOf(id);
      if (box) this.graph.camera.show(box);
    }
    this._show();
    if (!this.settling) link(`node-${id}`);
    this.listeners.select.forEach((rule) => rule(id));
  }

  /** Go to a node's step of a pass, opening what hides it. */
  visit(id, phase) {
    this._reveal(id);
    const position = this.walk.positionOf(id, phase);
    if (position === undefined) this.select(id);
    else this.walk.go(position);
  }

  foldOf(id) { return this.graph.foldOf(id); }

  /** Open or close a fold in place. */
  toggle(fold, byKey = false) {
    const held = this.record.folds[fold], done = this.graph.toggle(fold);
    if (!done) this._note(`This would draw more than ${MOST_SHAPES.toLocaleString("en")} shapes at once. Close something first.`);
    else this.announce(`${held.name} ${this.graph.open.has(fold) ? "opened" : "closed"}`);
    if (done && byKey) this.graph.focusFold(fold);
    if (done) this.panels.draw(this._panelState());
  }

  /** Light what an element came from (`value`), or how its gradient came back (`gradient`); null: nothing. */
  trace(what, id, flat) {
    if (what === null || (this.traced && this.traced.what === what && this.traced.id === id && this.traced.flat === flat)) this.traced = null;
    else {
      const found = what === "value" ? this.provenance.sources(id, flat) : this.provenance.ways(id, flat);
      this.traced = { what, id, flat, ...found };
    }
    this._show();
  }

  // -- joining ----------------------------------------------------------------------------------------

  start() {
    this.graph.openInitially();
    this.graph.draw();
    if (!this._follow(location.hash)) this.walk.go(this.walk.settle(0), { quiet: true });
    this.graph.camera.fit(false);
    this._moved({ quiet: true });
    if (/^#node-/.test(location.hash)) this._follow(location.hash);
    const box = this.graph.boxOf(this.selected);
    if (box) this.graph.camera.show(box, false);
  }

  _isStop(phase, id) {
    const found = this.graph.representative(id);
    if (!found.hidden) return true;
    if (found.frame || found.node >= 0) return false; // its parts are walked, or the composite itself is
    return id === this._lastInside(phase, found.fold);
  }

  /** The node with which a closed module is done. */
  _lastInside(phase, fold) {
    this.lasts ??= new Map();
    const key = `${phase}:${fold}`;
    if (!this.lasts.has(key)) this.lasts.set(key, this.record.walk[phase].findLast((id) => this.graph.inside(id, fold)));
    return this.lasts.get(key);
  }

  _name(id) {
    const found = this.graph.representative(id), node = this.record.nodes[id];
    const own = node.inputs.length && (node.name ?? node.symbol) !== node.label ? `${node.name ?? node.symbol} (${node.label})` : node.name ?? node.symbol;
    return found.hidden && found.node < 0 && !found.frame ? `${this.record.folds[found.fold].name}, up to ${own}` : own;
  }

  _moved({ quiet = false } = {}) {
    const { now } = this.walk, found = this.graph.representative(now);
    this.traced = null;
    this.selected = now;
    this.selectedFold = found.hidden && found.node < 0 ? found.fold : -1; // a closed module is passed as a whole
    this._show();
    const box = this.graph.boxOf(now);
    if (box && !quiet) this.graph.camera.show(box);
    if (!quiet) {
      link(this.walk.link);
      this.announce(`${this.walk.phase} ${this.walk.number + 1}: ${this._name(now)}${this._spoken(now)}`);
    }
    this.listeners.select.forEach((rule) => rule(now));
  }

  _spoken(id) {
    const what = this.walk.phase === "forward" ? "value" : "gradient", view = this.store.view(`${what}:${id}`);
    if (!view) return "";
    const number = scalar(view);
    return `, ${what} ${this.store.conceals(`${what}:${id}`) ? "hidden" : number === null ? dimensions(view.shape) : short(number, 6)}`;
  }

  _selectFold(fold) {
    this.selectedFold = fold;
    this._show();
  }

  _drawn() {
    if (!this.walk) return;
    const settled = this.walk.settle(this.walk.position);
    if (settled !== this.walk.position) {
      this.walk.go(settled, { quiet: true });
      this._moved({ quiet: true });
    } else {
      this.walk.draw();
      this._showGraph();
    }
  }

  _panelState() { return { id: this.selectedFold >= 0 ? -1 : this.selected, fold: this.selectedFold, traced: this.traced }; }

  _show() {
    this._showGraph();
    this.panels.draw(this._panelState());
  }

  _showGraph() {
    const { nodes } = this.record;
    this.graph.show({
      now: this.walk.now, phase: this.walk.phase,
      selected: this.selectedFold >= 0 ? -1 : this.selected, selectedFold: this.selectedFold,
      valued: (id) => this.walk.valued(id), graded: (id) => this.walk.graded(id),
      inputs: (id) => nodes[id].inputs,
      consumers: (id) => nodes[id].terms.map((term) => term.consumer),
      product: (piece) => this._product(piece),
    });
    const traced = this.traced;
    this.graph.light(traced ? new Set(traced.elements.keys()) : null, traced ? traced.edges : []);
  }

  /** `−2 × 1` on the wire of a term of numbers. */
  _product(piece) {
    const id = this.walk.now, node = this.record.nodes[id];
    const k = node.terms.findIndex((term) => term.consumer === piece.node && (piece.index < 0 || term.index === piece.index));
    if (k < 0) return "";
    const [upstream, local] = ["upstream", "local"].map((what) => {
      const place = `${what}:${id}:${k}`, number = scalar(this.store.view(place));
      return number === null ? null : this.store.conceals(place) ? "?" : short(number, 3);
    });
    return upstream === null || local === null ? "" : `${upstream} × ${local}`;
  }

  _refresh() {
    this.store.version = (this.store.version ?? 0) + 1;
    this._show();
  }

  _note(text) {
    const note = find("note");
    note.textContent = text;
    note.hidden = false;
    this.announce(text);
    clearTimeout(this.noteTimer);
    this.noteTimer = setTimeout(() => { note.hidden = true; }, 5000);
  }

  /** Goes where a link leads; false where it leads nowhere. */
  _follow(hash) {
    const found = /^#(forward|backward|node)-(\d+)$/.exec(hash);
    if (!found) return false;
    const number = Number(found[2]);
    if (found[1] === "node") {
      if (!this.record.nodes[number]) return false;
      this._reveal(number);
      this.panels.peeked = new Set(["value", "gradient"]); // who links to a node means its numbers
      this.select(number);
      return true;
    }
    const list = this.walk[found[1]];
    if (number < 1 || number > list.length) return false;
    this._reveal(list[number - 1]);
    this.walk.go((found[1] === "forward" ? 0 : this.walk.forward.length) + number - 1);
    return true;
  }

  /** Opens what hides a node. */
  _reveal(id) {
    const found = this.graph.representative(id);
    if (found.hidden && !found.frame) this.graph.toggle(this.record.nodes[id].fold, true);
  }
}

/** The address names the step; in a notebook's frame there is no address to change. */
function link(name) {
  if (location.protocol !== "about:") history.replaceState(null, "", `#${name}`);
}

function keys(page) {
  const rules = {
    ArrowRight: () => page.walk.step(1), ArrowLeft: () => page.walk.step(-1), Home: () => page.walk.first(), End: () => page.walk.last(),
    " ": () => page.walk.toggle(), f: () => page.walk.turn("forward"), b: () => page.walk.turn("backward"),
    "+": () => page.graph.camera.zoom(1.25), "=": () => page.graph.camera.zoom(1.25), "-": () => page.graph.camera.zoom(0.8),
    0: () => page.graph.camera.fit(), Escape: () => page.trace(null),
  };
  document.addEventListener("keydown", (event) => {
    const busy = event.target.closest("input, textarea, select, [contenteditable]") || event.ctrlKey || event.metaKey || event.altKey;
    const pressing = event.key === " " && event.target.closest("button, summary, a");
    const rule = rules[event.key];
    if (!rule || busy || pressing || event.defaultPrevented) return;
    if (/^(Arrow|Home|End)/.test(event.key)) page.walk.stop();
    event.preventDefault();
    rule();
  });
}

function controls(page) {
  find("zoom-in").addEventListener("click", () => page.graph.camera.zoom(1.25));
  find("zoom-out").addEventListener("click", () => page.graph.camera.zoom(0.8));
  find("zoom-fit").addEventListener("click", () => page.graph.camera.fit());
  const folds = page.record.folds.length > 1;
  find("open-all").hidden = find("close-all").hidden = !folds;
  find("open-all").addEventListener("click", () => {
    const left = page.graph.openAll();
    page.graph.camera.fit();
    if (left) page._note(`${left.toLocaleString("en")} folds stay closed: at most ${MOST_SHAPES.toLocaleString("en")} shapes are drawn at once.`);
  });
  find("close-all").addEventListener("click", () => { page.graph.closeAll(); page.graph.camera.fit(); });
}

/** The record: JSON as it stands, or packed (gzip, base64) where it is large. */
async function read(element) {
  if (element.type === "application/json") return JSON.parse(element.textContent);
  const bytes = Uint8Array.from(atob(element.textContent), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

async function start() {
  const record = await read(find("record"));
  find("app").hidden = false;
  find("steps").open = false;
  const page = new Page(record);
  page.start();
  keys(page);
  controls(page);
  addEventListener("beforeprint", () => {
    page.graph.camera.fit(false);
    find("steps").open = true;
  });
  addEventListener("hashchange", () => page._follow(location.hash));
  // The colours of heat maps and small pictures are those of the surroundings.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page._refresh());
  const map = JSON.parse(document.querySelector("script[type=importmap]").textContent).imports;
  for (const name of ["whatif", "practice"]) {
    if (map[`chainrule/${name}`]) (await import(`chainrule/${name}`)).attach(page);
  }
  globalThis.chainrule = page;
  document.documentElement.dataset.ready = "true";
}

start();
