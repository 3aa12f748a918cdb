// The panel: what the selected node, or the selected fold, is and holds.

import { make } from "chainrule/elements";
import { tensorView } from "chainrule/heatmap";
import { bracketed, dimensions, many } from "chainrule/numbers";
import { math } from "chainrule/svg";
import { foldName, outputs, size } from "chainrule/shapes";
import { checkSection, gradientSection, link } from "chainrule/terms";

const KINDS = { op: "op", composite: "composite", parameter: "parameter", input: "input", constant: "constant" };

/** Draws the selected node into its host. */
export class Panel {
  constructor(host, page) {
    this.page = page;
    this.record = page.record;
    this.body = make("div", { class: "node" });
    this.extras = make("div", { class: "extras" });
    this.sections = new Map();
    this.peeked = new Set();
    host.append(this.body, this.extras);
  }

  /** A section below the node, folded until it is wanted: made when asked for the first time. */
  section(name, title) {
    if (!this.sections.has(name)) {
      const content = make("div", { class: `section-${name}` });
      this.extras.append(make("details", { class: "extra", id: `section-${name}` }, make("summary", {}, title), content));
      this.sections.set(name, content);
    }
    return this.sections.get(name);
  }

  /** @param {{id: number, fold: number, traced: object|null}} state what is selected, and what is lit */
  draw({ id, fold, traced }) {
    const scroll = this.body.parentElement.scrollTop, same = this.shown === `${id}:${fold}`;
    this.shown = `${id}:${fold}`;
    this.body.replaceChildren(...(id >= 0 ? this._node(id, traced) : this._fold(fold)));
    this.body.parentElement.scrollTop = same ? scroll : 0;
    // A formula wider than the panel scrolls, by keys too.
    for (const wide of this.body.querySelectorAll(".rule, .math")) {
      if (wide.scrollWidth > wide.clientWidth + 1 && getComputedStyle(wide).overflowX === "auto") wide.tabIndex = 0;
    }
  }

  _node(id, traced) {
    const { page, record } = this, node = record.nodes[id], leaf = !node.inputs.length;
    const opens = page.foldOf(id);
    const meta = make("ul", { class: "meta" },
      make("li", {}, make("span", { class: `chip ${node.kind}` }, leaf ? KINDS[node.kind] : node.op)),
      make("li", {}, dimensions(node.shape)), make("li", {}, node.dtype),
      ...(Object.keys(node.attributes ?? {}).length && !leaf
        ? [make("li", { class: "attributes" }, Object.entries(node.attributes).map(([key, text]) => `${key}=${text}`).join(", "))] : []));
    const head = make("header", {}, make("p", { class: "number" }, `node ${id}`), make("h2", { id: "node-title", tabindex: -1 }, node.name ?? node.symbol), meta);
    if (opens >= 0) {
      head.append(make("button", { type: "button", class: "plain", onclick: () => page.toggle(opens) },
        page.isOpen(id) ? "Close its parts" : `Open its ${many(size(record, opens), "part")}`));
    }
    const valued = page.walk.valued(id), graded = page.walk.graded(id);
    const steps = make("p", { class: "jump" }, ...["forward", "backward"].map((phase) => {
      const position = page.walk.positionOf(id, phase);
      if (position === undefined) return null;
      const number = position - (phase === "forward" ? 0 : page.walk.forward.length) + 1;
      return make("button", { type: "button", class: `plain ${phase}`, disabled: page.walk.position === position,
        onclick: () => page.walk.go(position) }, `${phase === "forward" ? "▲" : "▼"} ${phase} ${number}`);
    }));
    const value = () => [this._value(id, traced)];
    const chain = () => [
      gradientSection(page, id, { choose: (flat) => page.trace("gradient", id, flat), ...this._lit(id, "gradient", traced) }),
      checkSection(page, id),
    ].filter(Boolean);
    const backward = graded || node.gradient === null ? chain() : [this._later("gradient", "▼ Gradient", chain)];
    const forward = valued ? value() : [this._later("value", "▲ Value", value)];
    const order = page.walk.phase === "backward" && graded ? [...backward, ...forward] : [...forward, ...backward];
    return [head, steps, ...(traced ? [this._traced(traced)] : []), ...order, this._neighbours(id)];
  }

  /** What the walk has not reached yet stays folded, and is not even made, until somebody looks. */
  _later(name, title, content) {
    const details = make("details", { class: `later ${name}` }, make("summary", {}, make("strong", {}, title), " not reached yet"));
    const fill = () => { if (details.childElementCount === 1) details.append(...content()); };
    if (this.peeked.has(name)) {
      fill();
      details.open = true;
    }
    details.addEventListener("toggle", () => {
      if (!details.open) return this.peeked.delete(name);
      fill();
      return this.peeked.add(name);
    });
    return details;
  }

  _lit(id, what, traced) {
    if (!traced) return {};
    const real = traced.elements.get(id) ?? traced.elements.get(this.page.provenance.real[id]) ?? null;
    const chosen = traced.id === id && traced.what === what ? traced.flat : null;
    return { lit: traced.what === what ? real : null, chosen };
  }

  _value(id, traced) {
    const { page, record } = this, node = record.nodes[id], place = `value:${id}`;
    const hidden = page.store.conceals(place), replaced = Boolean(page.store.replaced);
    const section = make("section", { class: "value", "aria-labelledby": "value-title" },
      make("h3", { id: "value-title" }, make("span", { class: "sign", "aria-hidden": "true" }, "▲"), "Value"));
    if (node.rule.mathml || node.rule.text) {
      section.append(make("p", { class: "rule" }, math(`<math><mi>${node.symbol}</mi></math>`), make("span", { class: "operator" }, "="), math(node.rule.mathml, node.rule.text)));
    }
    const secret = hidden || node.inputs.some((input) => page.store.conceals(`value:${input}`));
    if (node.rule.numbers && !replaced && !secret) {
      section.append(make("p", { class: "rule numbers" }, make("span", { class: "operator" }, "="), math(node.rule.numbers)));
    }
    section.append(tensorView(page.store.view(place), { name: `value of ${node.symbol}`, hidden,
      choose: (flat) => page.trace("value", id, flat), ...this._lit(id, "value", traced) }));
    return section;
  }

  /** What an element came from, in words, with the nodes to go to. */
  _traced({ what, id, flat, elements, ways }) {
    const { page, record } = this, node = record.nodes[id];
    const name = (at, found) => {
      const total = page.provenance.size(at), one = found !== "all" && found.size === 1 ? bracketed([...found][0], record.nodes[at].shape) : "";
      const count = found === "all" || found.size === total ? (total === 1 ? "" : " (all)") : one ? "" : ` (${found.size.toLocaleString("en")} of ${total.toLocaleString("en")})`;
      return make("li", {}, link(page, at), one, count);
    };
    const leaves = [...elements].filter(([at]) => at !== page.provenance.real[id] && (what === "gradient" || !record.nodes[at].inputs.length)
      && !(record.nodes[at].kind === "constant" && !record.nodes[at].name)).sort((a, b) => a[0] - b[0]);
    const target = `${node.symbol}${bracketed(flat, node.shape)}`;
    const told = what === "value" ? `The value ${target} came from`
      : `The gradient of ${target} came back ${Number.isNaN(ways) ? "along too many ways to count" : `along ${many(ways, "way")}`}, through`;
    return make("section", { class: "traced-list", "aria-live": "polite" }, make("p", {}, told),
      make("ul", {}, ...leaves.slice(0, 24).map(([at, found]) => name(at, found)), leaves.length > 24 ? make("li", {}, `and ${leaves.length - 24} more`) : null),
      make("button", { type: "button", class: "plain", onclick: () => page.trace(null) }, "Put the light out (Esc)"));
  }

  _neighbours(id) {
    const { page, record } = this, node = record.nodes[id];
    const readers = [...new Set(record.nodes.filter((other) => other.inputs.includes(id)).map((other) => other.id))];
    const row = (title, ids) => (ids.length ? [make("dt", {}, title), make("dd", {}, ...ids.slice(0, 12).flatMap((other, k) => [k ? ", " : "", link(page, other)]),
      ids.length > 12 ? ` and ${ids.length - 12} more` : "")] : []);
    const origin = [["written at", node.line], ["module", node.module]].filter(([, text]) => text)
      .flatMap(([title, text]) => [make("dt", {}, title), make("dd", {}, make("code", {}, text))]);
    return make("dl", { class: "about" }, ...row("reads", [...new Set(node.inputs)]), ...row("read by", readers), ...origin);
  }

  /** A value or a gradient beside its name, once the walk has reached it. */
  _small(what, id, reached) {
    const { page, record } = this, place = `${what}:${id}`, view = reached ? page.store.view(place) : null;
    if (!view) return null;
    const name = `${what} of ${record.nodes[id].symbol}`;
    return make("figure", { class: `box ${what === "value" ? "held" : "downstream"}` }, make("figcaption", {}, what === "value" ? "▲ value" : "▼ gradient"),
      tensorView(view, { name, hidden: page.store.conceals(place), small: true }));
  }

  _fold(fold) {
    const { page, record } = this, held = record.folds[fold];
    const name = foldName(held);
    const kinds = { module: "module", repeat: "repeated", part: "part of a long level", composite: "composite" };
    const inside = record.nodes.filter((node) => page.graph.inside(node.id, fold));
    const parameters = inside.filter((node) => node.kind === "parameter");
    const list = (title, ids) => (ids.length ? make("section", {}, make("h3", {}, title),
      ...ids.slice(0, 8).map((id) => make("div", { class: "entry" }, make("p", {}, link(page, id), ` ${dimensions(record.nodes[id].shape)}`),
        make("div", { class: "pair" }, this._small("value", id, page.walk.valued(id)), this._small("gradient", id, page.walk.graded(id))))),
      ids.length > 8 ? make("p", { class: "quiet" }, `and ${ids.length - 8} more`) : null) : null);
    return [
      make("header", {}, make("h2", { id: "node-title", tabindex: -1 }, name),
        make("ul", { class: "meta" }, make("li", {}, make("span", { class: "chip" }, kinds[held.kind])), make("li", {}, many(size(record, fold), "node")),
          make("li", {}, many(parameters.length, "parameter"))),
        make("button", { type: "button", class: "plain", onclick: () => page.toggle(fold) }, page.graph.open.has(fold) ? "Close" : "Open")),
      list("Goes out", outputs(record, fold)), list("Comes in", record.layouts[fold].inputs), list("Parameters", parameters.map((node) => node.id)),
    ].filter(Boolean);
  }
}
