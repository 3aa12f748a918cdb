// The walk: forward k of n, then backward k of n; a scrubber, buttons, keys, and play.

import { make } from "chainrule/elements";

const BEAT = 1100; // milliseconds a step while it plays

/**
 * One position runs over both passes: 0 … forward − 1, then forward … forward + backward − 1.
 * What is hidden in a closed fold is passed over; a fold stops once, where it is done.
 */
export class Walk {
  /**
   * @param {HTMLElement} host
   * @param {object} record
   * @param {{isStop: (phase: string, id: number, index: number) => boolean, name: (id: number) => string,
   *   moved: () => void}} events
   */
  constructor(host, record, events) {
    this.forward = record.walk.forward;
    this.backward = record.walk.backward;
    this.events = events;
    this.position = 0;
    this.timer = null;
    this.places = { forward: index(this.forward), backward: index(this.backward) };
    this._build(host);
  }

  get count() { return this.forward.length + this.backward.length; }
  get phase() { return this.position < this.forward.length ? "forward" : "backward"; }
  get number() { return this.position - (this.phase === "forward" ? 0 : this.forward.length); }
  get now() { return this[this.phase][this.number]; }
  get link() { return `${this.phase}-${this.number + 1}`; }

  /** Whether the value of a node is computed by now. */
  valued(id) { return this.phase === "backward" || this.places.forward.get(id) <= this.position; }

  /** Whether the gradient of a node has arrived by now. */
  graded(id) { return this.phase === "backward" && this.places.backward.get(id) <= this.number; }

  /** The position of a node in a phase; undefined where it has none. */
  positionOf(id, phase) {
    const found = this.places[phase].get(id);
    return found === undefined ? undefined : found + (phase === "forward" ? 0 : this.forward.length);
  }

  at(position) {
    return position < this.forward.length ? ["forward", this.forward[position], position]
      : ["backward", this.backward[position - this.forward.length], position - this.forward.length];
  }

  isStop(position) { return this.events.isStop(...this.at(position)); }

  /** The next position to stop at, in the direction given; null at the end. */
  beside(direction, from = this.position) {
    for (let p = from + direction; p >= 0 && p < this.count; p += direction) if (this.isStop(p)) return p;
    return null;
  }

  go(position, { quiet = false } = {}) {
    this.position = Math.max(0, Math.min(this.count - 1, position));
    this.draw();
    if (!quiet) this.events.moved();
  }

  step(direction) {
    const found = this.beside(direction);
    if (found !== null) this.go(found);
    else this.stop();
    return found !== null;
  }

  /** To the nearest position that is a stop, as after folding or dragging. */
  settle(position) {
    if (this.isStop(position)) return position;
    const after = this.beside(1, position), before = this.beside(-1, position);
    if (after === null) return before ?? position;
    return before === null || after - position <= position - before ? after : before;
  }

  first() { this.go(this.settle(0)); }
  last() { this.go(this.settle(this.count - 1)); }
  turn(phase) { this.go(this.settle(phase === "forward" ? 0 : this.forward.length)); }

  get playing() { return this.timer !== null; }

  play() {
    if (this.beside(1) === null) this.first();
    this.timer = setInterval(() => this.step(1), BEAT);
    this.draw();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.draw();
  }

  toggle() {
    if (this.playing) this.stop();
    else this.play();
  }

  _build(host) {
    const button = (name, key, picture, rule) => make("button", {
      type: "button", class: "step", "aria-label": name, title: `${name} (${key})`,
      onclick: () => { if (rule !== this.toggle) this.stop(); rule.call(this); },
    }, icon(picture));
    this.playButton = button("Play", "space", PICTURES.play, this.toggle);
    this.previous = button("Previous step", "←", PICTURES.previous, () => this.step(-1));
    this.next = button("Next step", "→", PICTURES.next, () => this.step(1));
    this.slider = make("input", { type: "range", id: "scrubber", min: 0, max: this.count - 1, step: 1, "aria-label": "Step of the walk",
      oninput: () => this._dragged(Number(this.slider.value)) });
    this.slider.style.setProperty("--turn", `${(100 * this.forward.length) / this.count}%`);
    // Its own arrow keys would stop inside closed folds.
    this.slider.addEventListener("keydown", (event) => {
      const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (direction === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.stop();
      this.step(direction);
    });
    this.told = make("div", { class: "told" }); // the page says aloud what is reached
    const turn = (phase, label, key) => make("button", { type: "button", class: `turn ${phase}`, title: `to the ${phase} pass (${key})`,
      disabled: !this[phase].length, onclick: () => { this.stop(); this.turn(phase); } }, label);
    this.turns = { forward: turn("forward", "▲ forward", "f"), backward: turn("backward", "▼ backward", "b") };
    host.append(
      make("div", { class: "buttons" }, button("First step", "Home", PICTURES.first, this.first), this.previous, this.playButton, this.next,
        button("Last step", "End", PICTURES.last, this.last)),
      make("div", { class: "track" }, make("div", { class: "ends" }, this.turns.forward, this.told, this.turns.backward), this.slider),
    );
  }

  _dragged(position) {
    this.stop();
    this.go(this.settle(position));
  }

  /** Shows where the walk is. */
  draw() {
    const { phase, number } = this, total = this[phase].length;
    const text = `${phase} ${number + 1} of ${total}`, name = this.events.name(this.now);
    this.slider.value = this.position;
    this.slider.setAttribute("aria-valuetext", `${text}: ${name}`);
    this.told.replaceChildren(make("span", { class: `count ${phase}` }, text), make("span", { class: "of" }, name));
    for (const [each, button] of Object.entries(this.turns)) button.setAttribute("aria-pressed", String(each === phase));
    this.previous.disabled = this.beside(-1) === null;
    this.next.disabled = this.beside(1) === null;
    this.playButton.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.playButton.replaceChildren(icon(this.playing ? PICTURES.pause : PICTURES.play));
  }
}

const index = (ids) => new Map(ids.map((id, k) => [id, k]));

const PICTURES = {
  first: "M5 4v12M16 4l-8 6 8 6z", previous: "M14 4l-8 6 8 6z", play: "M6 3.5l10 6.5-10 6.5z", pause: "M6 4v12M14 4v12",
  next: "M6 4l8 6-8 6z", last: "M15 4v12M4 4l8 6-8 6z",
};

function icon(path) {
  const holder = document.createElement("span");
  holder.innerHTML = `<svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="${path}"/></svg>`;
  return holder.firstChild;
}
