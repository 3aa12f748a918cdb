// What part of the picture is seen: pan and zoom by mouse, touch and keyboard.

const LEAST = 0.01, MOST = 3;
const DRAG = 4;
const TOP = 38; // pixels at the top that the tools cover

/** Moves and scales one SVG group inside a stage. */
export class Camera {
  /**
   * @param {HTMLElement} stage takes the pointers
   * @param {SVGGElement} world is moved
   */
  constructor(stage, world) {
    this.stage = stage;
    this.world = world;
    this.x = 0;
    this.y = 0;
    this.scale = 1;
    this.size = [1, 1];
    this.dragged = false;
    this.pointers = new Map();
    this.frame = 0;
    this.seen = [stage.clientWidth, stage.clientHeight];
    stage.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this._down(event));
    stage.addEventListener("pointermove", (event) => this._move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      addEventListener(name, (event) => this.pointers.delete(event.pointerId)); // outside of the stage, too
    }
    // A drag that ends on a shape is no click on it; a key on a button, which has no detail, is one.
    stage.addEventListener("click", (event) => { if (this.dragged && event.detail) event.stopPropagation(); }, true);
    new ResizeObserver(() => this._resized()).observe(stage);
  }

  get calm() { return matchMedia("(prefers-reduced-motion: reduce)").matches; }

  _resized() {
    const now = [this.stage.clientWidth, this.stage.clientHeight];
    this.x += (now[0] - this.seen[0]) / 2;
    this.y += (now[1] - this.seen[1]) / 2;
    this.seen = now;
    this._apply();
  }

  _apply() {
    this.world.setAttribute("transform", `translate(${this.x} ${this.y}) scale(${this.scale})`);
    this.stage.classList.toggle("far", this.scale < 0.35);
  }

  /** Zoom by a factor around a point of the stage; its middle if none is given. */
  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    cancelAnimationFrame(this.frame);
    const scale = Math.min(MOST, Math.max(LEAST, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this._apply();
  }

  /** Move by so many pixels. */
  pan(dx, dy) {
    cancelAnimationFrame(this.frame);
    this.x += dx;
    this.y += dy;
    this._apply();
  }

  /** Show the whole picture, not larger than natural size allows. */
  fit(animate = true) {
    const [width, height] = this.size, { clientWidth: w, clientHeight: h } = this.stage;
    const scale = Math.min(1.35, Math.max(LEAST, Math.min((w - 48) / width, (h - TOP - 48) / height)));
    this._go((w - width * scale) / 2, (h + TOP - height * scale) / 2, scale, animate);
  }

  /** Bring a rectangle of the picture into view, and nearer if it is too small to read. */
  show(box, animate = true) {
    const { clientWidth: w, clientHeight: h } = this.stage;
    const scale = Math.max(this.scale, Math.min(0.9, (w - 40) / box.width, (h - 40) / box.height));
    const left = box.x * scale + this.x, top = box.y * scale + this.y;
    const margin = 36;
    const inside = left >= margin && top >= margin + TOP / 2 && left + box.width * scale <= w - margin && top + box.height * scale <= h - margin;
    if (inside && scale === this.scale) return;
    const place = (at, room, size) => this._held(room / 2 - at * scale, room, size * scale);
    this._go(place(box.x + box.width / 2, w, this.size[0]), TOP + place(box.y + box.height / 2, h - TOP, this.size[1]), scale, animate);
  }

  /** Take away blank space that a change of the picture left. */
  tidy() {
    const { clientWidth: w, clientHeight: h } = this.stage;
    this.x = this._held(this.x, w, this.size[0] * this.scale);
    this.y = TOP + this._held(this.y - TOP, h - TOP, this.size[1] * this.scale);
    this._apply();
  }

  /** An offset such that the stage shows picture rather than what lies beside it. */
  _held(offset, room, size) {
    return size + 48 <= room ? (room - size) / 2 : Math.min(24, Math.max(room - size - 24, offset));
  }

  /** Keep one point of the picture where it is on the screen while the picture around it changes. */
  hold(before, after) {
    this.x += (before[0] - after[0]) * this.scale;
    this.y += (before[1] - after[1]) * this.scale;
    this._apply();
  }

  _go(x, y, scale, animate) {
    cancelAnimationFrame(this.frame);
    const from = [this.x, this.y, this.scale], to = [x, y, scale], began = performance.now();
    const step = (now) => {
      const t = !animate || this.calm ? 1 : Math.min(1, (now - began) / 240), eased = 1 - (1 - t) ** 3;
      [this.x, this.y, this.scale] = from.map((value, k) => value + (to[k] - value) * eased);
      this._apply();
      if (t < 1) this.frame = requestAnimationFrame(step);
    };
    step(began);
  }

  _wheel(event) {
    event.preventDefault();
    const box = this.stage.getBoundingClientRect();
    const lines = event.deltaMode ? 18 : 1;
    this.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX - box.left, event.clientY - box.top);
  }

  _down(event) {
    if (event.button > 0) return;
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pointers.size === 1) {
      this.dragged = false;
      this.began = [event.clientX, event.clientY];
    }
  }

  _move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    if (this.pointers.size === 1) {
      if (!this.dragged && Math.hypot(now[0] - this.began[0], now[1] - this.began[1]) < DRAG) return;
      if (!this.dragged) this.stage.setPointerCapture(event.pointerId);
      this.dragged = true;
      this.pan(now[0] - before[0], now[1] - before[1]);
    } else {
      this.dragged = true;
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const box = this.stage.getBoundingClientRect();
      const reach = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]);
      this.zoom(reach(now) / Math.max(reach(before), 1), (now[0] + other[0]) / 2 - box.left, (now[1] + other[1]) / 2 - box.top);
      this.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    }
    this.pointers.set(event.pointerId, now);
  }
}
