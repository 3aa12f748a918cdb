// What a reader types, read without eval: numbers, fractions, sums and products, functions, vectors, matrices.

const FUNCTIONS = {
  exp: Math.exp, log: Math.log, ln: Math.log, sqrt: Math.sqrt, tanh: Math.tanh, sin: Math.sin, cos: Math.cos,
  abs: Math.abs, sigmoid: (x) => 1 / (1 + Math.exp(-x)), relu: (x) => Math.max(x, 0),
  max: Math.max, min: Math.min,
};
FUNCTIONS["√"] = Math.sqrt;
FUNCTIONS["σ"] = FUNCTIONS.sigmoid;
const CONSTANTS = {
  pi: Math.PI, "π": Math.PI, e: Math.E, inf: Infinity, infinity: Infinity, "∞": Infinity, nan: NaN,
};

const NUMBER = /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/.source;
const TOKEN = new RegExp(`\\s*(?:(${NUMBER})|([A-Za-z]+|[√σπ∞])|(\\*\\*|[-+*/^()[\\],;]))`, "y");
const plainly = (signs) => signs.normalize("NFKC").replaceAll("\u2044", "/").replaceAll("\u2212", "-");
const SAME = [
  [/(?<![\d.])(\d+)([¼-¾⅐-⅞])/g, (_, whole, part) => `(${whole}+${plainly(part)})`], // 1½
  [/[¼-¾⅐-⅞]/g, (part) => `(${plainly(part)})`],
  [/[⁰¹²³⁴-⁹⁻]+/g, (power) => `^(${plainly(power)})`],
  [/[０-９]/g, plainly],
  [/[−–]/g, "-"], [/[·×∗]/g, "*"], [/[÷]/g, "/"],
];
const LONGEST = 4000, DEEPEST = 60;

/** What cannot be read, in words for the reader. */
export class NotUnderstood extends Error {}

/** Tokens with the spaces before them, which part the entries of "1 -2" but not the terms of "1 - 2". */
function tokens(text) {
  let plain = text.trim().replace(/\r?\n/g, ";");
  for (const [sign, ascii] of SAME) plain = plain.replace(sign, ascii);
  if (plain.length > LONGEST) throw new NotUnderstood("that is too long to be an answer");
  const found = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < plain.length) {
    const start = TOKEN.lastIndex, match = TOKEN.exec(plain);
    if (!match) {
      const rest = plain.slice(start).trim();
      if (!rest) break;
      throw new NotUnderstood(`“${[...rest][0]}” is not understood here`);
    }
    const [whole, number, name, sign] = match;
    const after = /\s/.test(plain[TOKEN.lastIndex] ?? "");
    const value = number === undefined ? null : Number(number);
    if (value === Infinity) throw new NotUnderstood(`${number} is larger than any number here`);
    found.push({ number: value, name, sign, text: whole.trim(), before: /^\s/.test(whole), after });
  }
  return found;
}

class Reader {
  constructor(text) {
    this.tokens = tokens(text);
    this.at = 0;
    this.depth = 0;
  }

  get next() { return this.tokens[this.at] ?? { sign: "", name: "", number: null }; }

  take(sign) {
    if (this.next.sign !== sign) return false;
    this.at += 1;
    return true;
  }

  expect(sign) {
    const where = this.at < this.tokens.length ? "" : " at the end";
    if (!this.take(sign)) throw new NotUnderstood(`a “${sign}” is missing${where}`);
  }

  /** Whether the next token begins another entry of a list that is written with spaces. */
  startsEntry() {
    const { sign, number, name, before, after } = this.next;
    if (number !== null || name || sign === "(") return before;
    return (sign === "-" || sign === "+") && before && !after;
  }

  /** A sum; with `loose` spaces part entries, so "1 -2" is two. */
  sum(loose) {
    this.depth += 1;
    if (this.depth > DEEPEST) throw new NotUnderstood("too many brackets");
    let total = this.product(loose);
    while ((this.next.sign === "+" || this.next.sign === "-") && !(loose && this.startsEntry())) {
      const minus = this.next.sign === "-";
      this.at += 1;
      const term = this.product(loose);
      total = minus ? total - term : total + term;
    }
    this.depth -= 1;
    return total;
  }

  product(loose) {
    let total = this.signed(loose);
    for (;;) {
      if (this.take("*")) total *= this.signed(loose);
      else if (this.take("/")) total /= this.signed(loose);
      else return total;
    }
  }

  signed(loose) {
    this.depth += 1;
    if (this.depth > DEEPEST) throw new NotUnderstood("too many signs");
    let negative = false;
    if (this.take("-")) negative = true;
    else this.take("+");
    const value = negative || ["-", "+"].includes(this.next.sign) ? this.signed(loose) : this.power(loose);
    this.depth -= 1;
    return negative ? -value : value;
  }

  power(loose) {
    const base = this.single();
    return this.take("^") || this.take("**") ? base ** this.signed(loose) : base;
  }

  single() {
    const { number, name } = this.next;
    if (number !== null) {
      this.at += 1;
      return number;
    }
    if (this.take("(")) {
      const value = this.sum(false);
      this.expect(")");
      return value;
    }
    if (name) return this.named(name);
    if (this.at >= this.tokens.length) throw new NotUnderstood("something is missing at the end");
    throw new NotUnderstood(`“${this.next.sign}” is not understood here`);
  }

  named(name) {
    this.at += 1;
    const known = name.toLowerCase();
    if (Object.hasOwn(FUNCTIONS, known)) {
      const values = [];
      if (known === "√" && this.next.sign !== "(") return Math.sqrt(this.single());
      this.expect("(");
      do values.push(this.sum(false)); while (this.take(","));
      this.expect(")");
      return FUNCTIONS[known](...values);
    }
    if (Object.hasOwn(CONSTANTS, known)) return CONSTANTS[known];
    throw new NotUnderstood(`“${name}” has no value here: write numbers`);
  }

  /** Entries up to a closing bracket, a semicolon or the end, parted by commas or spaces. */
  entries() {
    const found = [];
    while (this.at < this.tokens.length && this.next.sign !== "]" && this.next.sign !== ";") {
      found.push(this.next.sign === "[" ? this.bracket() : this.sum(true));
      const { sign, before } = this.next;
      if (!this.take(",") && this.at < this.tokens.length && sign !== "]" && sign !== ";" && !before) {
        const [before, behind] = [this.tokens[this.at - 1].text, this.next.text];
        throw new NotUnderstood(`a sign is missing between “${before}” and “${behind}”`);
      }
    }
    return found;
  }

  /** Rows parted by semicolons, or the entries themselves where there is one row. */
  rows() {
    const found = [this.entries()];
    while (this.take(";")) found.push(this.entries());
    const filled = found.filter((row) => row.length);
    if (filled.length < 2) return filled[0] ?? [];
    return filled.map((row) => (row.length === 1 && Array.isArray(row[0]) ? row[0] : row));
  }

  bracket() {
    this.depth += 1;
    if (this.depth > DEEPEST) throw new NotUnderstood("too many brackets");
    this.expect("[");
    const found = this.rows();
    this.expect("]");
    this.depth -= 1;
    return found;
  }
}

function shapeOf(value) {
  if (!Array.isArray(value)) return [];
  const shapes = value.map(shapeOf), [first] = shapes;
  if (shapes.some((shape) => String(shape) !== String(first) || shape.length !== first.length)) {
    throw new NotUnderstood("the rows are not of equal length");
  }
  return [value.length, ...(first ?? [])];
}

/**
 * What a reader typed as {shape, data}: "1/3", "-2*4", "[1, 2, 3]", "1 2 3", "[[1, 2], [3, 4]]" or
 * "1 2; 3 4".  Throws NotUnderstood, which says what is wrong.
 */
export function read(text) {
  const reader = new Reader(text);
  if (!reader.tokens.length) throw new NotUnderstood("nothing is written yet");
  let value = reader.rows();
  if (reader.at < reader.tokens.length) throw new NotUnderstood(`“${reader.next.sign}” is not understood here`);
  if (value.length === 1) [value] = value;
  const data = [value].flat(Infinity);
  if (!data.length) throw new NotUnderstood("there is no number in it");
  return { shape: shapeOf(value), data };
}

const COMMA = /^\s*[-+−–]?\d+,\d+\s*$/;

/** An answer to what has this shape: as `read` does, and where one number is asked, its point is no comma. */
export function readAnswer(text, shape) {
  if (!shape.length && COMMA.test(text)) {
    throw new NotUnderstood(`one number is asked, and a comma parts two: write ${text.trim().replace(",", ".")}`);
  }
  return read(text);
}

/** One number, as `read` does. */
export function readNumber(text) {
  const { shape, data } = readAnswer(text, []);
  if (data.length !== 1 || shape.length) throw new NotUnderstood("one number is wanted here");
  return data[0];
}
