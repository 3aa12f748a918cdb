// The chain rule at one node: upstream × local = downstream for each consumer, their sum, and the check.

import { make } from "chainrule/elements";
import { tensorView } from "chainrule/heatmap";
import { bracketed, many, short } from "chainrule/numbers";
import { scalar } from "chainrule/store";
import { math } from "chainrule/svg";

const MOST_ENTRIES = 256; // of a check, as rows of a table
const MOST_TERMS = 12; // at once; a weight of an unrolled loop has hundreds
const LONG = 24; // characters of a rule that stands between two boxes

const escaped = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

/** The fraction ∂top/∂below. */
export function partial(top, below) {
  const side = (name) => `<mrow><mo form="prefix">∂</mo><mi>${escaped(name)}</mi></mrow>`;
  return math(`<math><mfrac>${side(top)}${side(below)}</mfrac></math>`);
}

/**
 * The terms of a node as the picture shows it: that of a composite, or those of its parts where it is open.
 * @returns {{term: object, k: number}[]} with each term's place in the record
 */
export function termsShown(record, id, isOpen) {
  const all = record.nodes[id].terms.map((term, k) => ({ term, k }));
  const within = (composite) => all.filter(({ term }) => (term.within ?? null) === composite)
    .flatMap((found) => {
      const inner = isOpen(found.term.consumer) ? within(found.term.consumer) : [];
      return inner.length ? inner : [found];
    });
  return within(null);
}

/** The section on how the gradient arises. */
export function gradientSection(page, id, options) {
  const { record } = page, node = record.nodes[id];
  const top = record.nodes[record.output].symbol;
  const section = make("section", { class: "gradient", "aria-labelledby": "gradient-title" },
    make("h3", { id: "gradient-title" }, make("span", { class: "sign", "aria-hidden": "true" }, "▼"), "Gradient ", partial(top, node.symbol)));
  if (node.gradient === null) {
    section.append(make("p", { class: "none" }, make("strong", {}, "None: "), node.no_gradient ?? "nothing flows back to it"));
    return section;
  }
  const terms = termsShown(record, id, page.isOpen);
  const home = record.folds.find((fold) => fold.output === id);
  if (id === record.output) section.append(make("p", {}, "The walk back begins here: the output changes by as much as itself, so its gradient is 1."));
  else if (!terms.length && home) section.append(make("p", {}, "It is the value of ", link(page, home.node), ", and has its gradient."));
  if (terms.length > 1) section.append(make("p", { class: "quiet" }, `${many(terms.length, "way")} lead on from it; their products add up.`));
  section.append(...terms.slice(0, MOST_TERMS).map(({ term, k }) => product(page, id, term, k, top)));
  if (terms.length > MOST_TERMS) section.append(rest(page, id, terms.slice(MOST_TERMS), top));
  section.append(sum(page, id, terms, top, options));
  return section;
}

/** The terms beyond the first, made when they are wanted. */
function rest(page, id, terms, top) {
  const details = make("details", { class: "rest" }, make("summary", {}, `${many(terms.length, "more term")}`));
  details.addEventListener("toggle", () => {
    if (details.childElementCount === 1) details.append(...terms.map(({ term, k }) => product(page, id, term, k, top)));
  });
  return details;
}

/** A button that selects a node. */
export function link(page, id) {
  const node = page.record.nodes[id], name = node.name ?? node.symbol;
  const text = node.inputs.length && name !== node.label ? `${name} (${node.label})` : name;
  return make("button", { type: "button", class: "link", onclick: () => page.select(id) }, text);
}

function shownTensor(page, place, name, options = {}) {
  const view = page.store.view(place);
  return view ? tensorView(view, { name, hidden: page.store.conceals(place), small: true, ...options }) : make("span", {}, "–");
}

const box = (kind, caption, ...content) => make("figure", { class: `box ${kind}` }, make("figcaption", {}, ...caption), ...content);
const sign = (text) => make("span", { class: "operator" }, text);

function product(page, id, term, k, top) {
  const { record } = page, node = record.nodes[id], consumer = record.nodes[term.consumer];
  const place = (what) => `${what}:${id}:${k}`;
  const plain = scalar(page.store.view(place("upstream"))) !== null && scalar(page.store.view(place("downstream"))) !== null;
  const upstream = box("upstream", ["upstream ", partial(top, consumer.symbol)], shownTensor(page, place("upstream"), "upstream"));
  const downstream = box("downstream", ["downstream"],
    shownTensor(page, place("downstream"), "downstream"));
  const long = term.local === null && term.rule.text.length > LONG;
  const local = term.local === null
    ? box("local rule", ["local rule"], long ? make("span", { class: "quiet" }, "below") : math(term.rule.mathml, term.rule.text))
    : box("local", ["local ", partial(consumer.symbol, node.symbol)], shownTensor(page, place("local"), "local derivative"));
  const row = term.local === null ? [upstream, sign("→"), local, sign("="), downstream]
    : [upstream, sign(plain ? "×" : "⊙"), local, sign("="), downstream];
  const rules = [];
  if ((long || term.local !== null) && term.rule.mathml) rules.push(make("p", { class: "rule" }, math(term.rule.mathml, term.rule.text)));
  const secret = ["upstream", "local", "downstream"].some((what) => page.store.conceals(place(what)));
  if (term.rule.numbers && !page.store.replaced && !secret) rules.push(make("p", { class: "rule numbers" }, sign("="), math(term.rule.numbers)));
  const twice = consumer.inputs.filter((input) => input === id).length > 1 ? `, as its input ${term.index + 1}` : "";
  return make("div", { class: "term" }, make("p", { class: "from" }, "from ", link(page, term.consumer), twice),
    make("div", { class: "product" }, ...row), ...rules,
    term.proof ? make("details", { class: "proof", open: true }, make("summary", {}, "Why it has this form"),
      make("p", {}, math(term.proof.mathml, "")), make("p", { class: "quiet" }, term.proof.text)) : null);
}

function sum(page, id, terms, top, options) {
  const { record } = page, node = record.nodes[id], place = `gradient:${id}`;
  const shown = tensorView(page.store.view(place), { name: `gradient of ${node.symbol}`, hidden: page.store.conceals(place), ...options });
  if (terms.length < 2) return make("div", { class: "result" }, partial(top, node.symbol), sign("="), shown);
  const parts = terms.slice(0, MOST_TERMS).flatMap(({ term, k }, number) => [number ? sign("+") : null,
    box("downstream", [`from ${record.nodes[term.consumer].symbol}`], shownTensor(page, `downstream:${id}:${k}`, "downstream"))]);
  return make("div", { class: "sum" }, make("p", { class: "from" }, `Sum over ${many(terms.length, "consumer")}`),
    make("div", { class: "product" }, ...parts.filter(Boolean), ...(terms.length > MOST_TERMS ? [sign("+ … +")] : []), sign("="), box("total", [partial(top, node.symbol)], shown)));
}

/** The numerical gradient beside the analytic one, entry by entry. */
export function checkSection(page, id) {
  const node = page.record.nodes[id], { check } = node;
  if (!check || page.store.replaced || page.store.conceals(`gradient:${id}`)) return null;
  const analytic = page.store.recorded(node.gradient), numeric = page.store.recorded(check.numeric);
  const none = !Array.from(numeric.data).some(Number.isFinite);
  const word = none ? make("strong", {}, "– nothing to compare with:") : check.agrees ? make("strong", { class: "agrees" }, "✓ agrees") : make("strong", { class: "differs" }, "✗ differs");
  const told = check.entries < check.of ? `${check.entries.toLocaleString("en")} of ${check.of.toLocaleString("en")} entries` : many(check.of, "entry").replace("entrys", "entries");
  const count = Math.min(numeric.data.length, MOST_ENTRIES);
  const kept = analytic.rows || analytic.columns ? null : analytic.data;
  const rows = Array.from({ length: count }, (_, n) => {
    const flat = check.at ? check.at[n] : n, theirs = Number(numeric.data[n]);
    const mine = kept ? Number(kept[flat]) : null;
    return make("tr", {}, make("th", { scope: "row" }, bracketed(flat, node.shape) || node.symbol),
      make("td", {}, mine === null ? "–" : short(mine, 7)), make("td", {}, short(theirs, 7)),
      make("td", {}, mine === null ? "–" : short(Math.abs(mine - theirs), 2)));
  });
  return make("section", { class: "check", "aria-labelledby": "check-title" },
    make("h3", { id: "check-title" }, make("span", { class: "sign", "aria-hidden": "true" }, "≈"), "Check by differences"),
    make("p", {}, word, none ? "" : ` in ${told}; the largest difference is ${short(check.worst, 2)}.`, check.note ? ` ${check.note}` : ""),
    make("details", { open: numeric.data.length <= 6 }, make("summary", {}, "Entry by entry"),
      make("div", { class: "scrolled", tabindex: 0, role: "region", "aria-label": "entries of the check" }, make("table", { class: "entries" },
        make("thead", {}, make("tr", {}, ...["entry", "chain rule", "differences", "|difference|"].map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, ...rows))),
      numeric.data.length > count ? make("p", { class: "quiet" }, `and ${(numeric.data.length - count).toLocaleString("en")} more`) : null));
}
