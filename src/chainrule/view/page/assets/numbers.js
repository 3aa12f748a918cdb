// How the page writes numbers, shapes and indices.

/** A number with `digits` significant digits, a real minus sign, and no needless zeros. */
export function short(x, digits = 4) {
  const number = Number(x);
  if (Number.isNaN(number)) return "NaN";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  if (number === 0) return "0";
  const size = Math.abs(number);
  let text;
  if (Number.isInteger(number) && size < 1e7) text = String(number);
  else if (size >= 1e-4 && size < 10 ** Math.max(digits, 6)) text = String(Number(number.toPrecision(digits)));
  else text = Number(number.toPrecision(Math.min(digits, 4))).toExponential().replace("e+", "e");
  return text.replaceAll("-", "−");
}

/** `3 × 4`, `17`, `scalar`. */
export const dimensions = (shape) => shape.join(" × ") || "scalar";

/** The same in words, for those who listen. */
export const spokenDimensions = (shape) => (shape.length ? shape.join(" by ") : "a scalar");

/** The flat index as `2, 0, 5`. */
export function indexText(flat, shape) {
  const found = [];
  for (let axis = shape.length - 1, rest = flat; axis >= 0; axis -= 1) {
    found.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return found.join(", ");
}

/** `[2, 0]`, and nothing for a scalar. */
export const bracketed = (flat, shape) => (shape.length ? `[${indexText(flat, shape)}]` : "");

/** How many of something: `1 node`, `3 nodes`. */
export const many = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
