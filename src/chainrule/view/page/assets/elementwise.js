// Ops that compute each element from the operands' elements at that place.  Forward rules only.

import { broadcastPlace, broadcastPlaces, isFloat, isInteger, rounding, size, stored, wrap, zeros }
  from "chainrule/arrays";

// -- floats -------------------------------------------------------------------------------------------------

/** Quotient rounded down and remainder with the divisor's sign, each step rounded to the dtype. */
function divided(x, y, round) {
  let rest = x % y;
  if (y === 0) return [round(x / y), rest];
  let quotient = round(round(x - rest) / y);
  if (rest !== 0) {
    if (y < 0 !== rest < 0) {
      rest = round(rest + y);
      quotient = round(quotient - 1);
    }
  } else rest = y < 0 || Object.is(y, -0) ? -0 : 0;
  if (quotient === 0) return [x / y < 0 || Object.is(x / y, -0) ? -0 : 0, rest];
  const whole = Math.floor(quotient);
  return [quotient - whole > 0.5 ? whole + 1 : whole, rest];
}

/** Halves go to the even neighbour. */
function nearest(x) {
  const below = Math.floor(x), rest = x - below;
  if (!Number.isFinite(x) || rest === 0) return x;
  const up = rest > 0.5 || (rest === 0.5 && below % 2 !== 0);
  return up ? (below === -1 ? -0 : below + 1) : below;
}

/** As C has it: one to any power and anything to the power 0 are one. */
const power = (x, y) => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : Math.pow(x, y));

/** Σ cₖ·Tₖ(x) over Chebyshev's polynomials, by Clenshaw's recurrence. */
function series(x, coefficients) {
  let later = 0, next = 0;
  for (let k = coefficients.length - 1; k > 0; k -= 1) {
    [later, next] = [next, coefficients[k] - later + 2 * x * next];
  }
  return coefficients[0] - later + x * next;
}

/** The error function; the coefficients of its two expansions come with the program. */
function erf(x, { near, far, k }) {
  if (Number.isNaN(x)) return x;
  const large = Math.abs(x);
  if (large <= 1) return x * series(2 * large * large - 1, near);
  const held = Math.min(large, 27);
  const rest = Math.exp(-held * held) * series((held - k) / (held + k), far) / (held + k);
  return Math.sign(x) * (1 - rest);
}

function sigmoid(x, round) {
  const small = round(Math.exp(-Math.abs(x))), whole = round(1 + small);
  return x >= 0 ? 1 / whole : small / whole;
}

const larger = (x, y) => (x >= y || Number.isNaN(x) ? x : y);
const smaller = (x, y) => (x <= y || Number.isNaN(x) ? x : y);

// Each rule: (x, y, round, settings) -> number, rounded to the dtype once more where it is stored.
const FLOATS = {
  add: (x, y) => x + y,
  subtract: (x, y) => x - y,
  multiply: (x, y) => x * y,
  divide: (x, y) => x / y,
  floor_divide: (x, y, round) => divided(x, y, round)[0],
  remainder: (x, y, round) => divided(x, y, round)[1],
  pow: power,
  maximum: larger,
  minimum: smaller,
  negative: (x) => -x,
  abs: Math.abs,
  sign: (x) => (x > 0 ? 1 : x < 0 ? -1 : x === 0 ? 0 : x),
  reciprocal: (x) => 1 / x,
  square: (x) => x * x,
  sqrt: Math.sqrt,
  rsqrt: (x, _, round) => 1 / round(Math.sqrt(x)),
  floor: Math.floor,
  ceil: Math.ceil,
  round: nearest,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  log2: Math.log2,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  arcsin: Math.asin,
  arccos: Math.acos,
  arctan: Math.atan,
  arctan2: Math.atan2,
  arcsinh: Math.asinh,
  arccosh: Math.acosh,
  arctanh: Math.atanh,
  erf: (x, _, round, settings) => erf(x, settings),
  sigmoid: (x, _, round) => sigmoid(x, round),
  stop_gradient: (x) => x,
};

// -- integers, as BigInt, and booleans, as 0 and 1 -----------------------------------------------------------

function floorDivided(x, y) {
  if (y === 0n) return 0n;
  const quotient = x / y;
  return x % y !== 0n && x < 0n !== y < 0n ? quotient - 1n : quotient;
}

/** x to the power y modulo 2^bits, by squaring. */
function wholePower(x, y, dtype) {
  if (y < 0n) return 0n;
  let result = 1n, factor = x;
  for (let left = y; left > 0n; left >>= 1n) {
    if (left & 1n) result = wrap(dtype, result * factor);
    factor = wrap(dtype, factor * factor);
  }
  return result;
}

const WHOLE = {
  add: (x, y) => x + y,
  subtract: (x, y) => x - y,
  multiply: (x, y) => x * y,
  floor_divide: floorDivided,
  remainder: (x, y) => (y === 0n ? 0n : x - y * floorDivided(x, y)),
  pow: wholePower,
  maximum: (x, y) => (x >= y ? x : y),
  minimum: (x, y) => (x <= y ? x : y),
  negative: (x) => -x,
  abs: (x) => (x < 0n ? -x : x),
  sign: (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n),
  square: (x) => x * x,
  floor: (x) => x,
  ceil: (x) => x,
  round: (x) => x,
  stop_gradient: (x) => x,
};

const TRUTHS = {
  add: (x, y) => x | y,
  multiply: (x, y) => x & y,
  maximum: (x, y) => x | y,
  minimum: (x, y) => x & y,
  stop_gradient: (x) => x,
};

const QUESTIONS = {
  equal: (x, y) => x === y,
  not_equal: (x, y) => x !== y,
  less: (x, y) => x < y,
  less_equal: (x, y) => x <= y,
  greater: (x, y) => x > y,
  greater_equal: (x, y) => x >= y,
  logical_and: (x, y) => x && y,
  logical_or: (x, y) => x || y,
  logical_xor: (x, y) => x !== y,
  logical_not: (x) => !x,
  isfinite: (x) => typeof x === "bigint" || Number.isFinite(x),
  isnan: (x) => Number.isNaN(x),
};

/** The operands' elements as functions of the output's flat index. */
function readers(inputs, shape) {
  return inputs.map(({ data, shape: own }) => {
    if (own.length === shape.length && own.every((length, axis) => length === shape[axis])) {
      return (index) => data[index];
    }
    if (data.length === 1) return () => data[0];
    const places = broadcastPlaces(own, shape);
    return (index) => data[places[index]];
  });
}

function computed(name) {
  return (inputs, settings, shape, dtype) => {
    const out = zeros(dtype, size(shape));
    const [x, y] = readers(inputs, shape);
    const second = y ?? (() => undefined);
    if (isFloat(dtype)) {
      const rule = FLOATS[name], round = rounding(dtype);
      for (let i = 0; i < out.length; i += 1) out[i] = rule(x(i), second(i), round, settings);
    } else if (isInteger(dtype)) {
      const rule = WHOLE[name], other = y ? (i) => BigInt(y(i)) : second;
      for (let i = 0; i < out.length; i += 1) {
        out[i] = stored(dtype, wrap(dtype, rule(BigInt(x(i)), other(i), dtype)));
      }
    } else {
      const rule = TRUTHS[name];
      for (let i = 0; i < out.length; i += 1) out[i] = rule(x(i), second(i));
    }
    return out;
  };
}

function asked(name) {
  const rule = QUESTIONS[name];
  return (inputs, settings, shape) => {
    const out = zeros("bool", size(shape));
    const [x, y] = readers(inputs, shape);
    const second = y ?? (() => undefined);
    for (let i = 0; i < out.length; i += 1) out[i] = rule(x(i), second(i)) ? 1 : 0;
    return out;
  };
}

function chosen(inputs, settings, shape, dtype) {
  const out = zeros(dtype, size(shape));
  const [condition, x, y] = readers(inputs, shape);
  for (let i = 0; i < out.length; i += 1) out[i] = condition(i) ? x(i) : y(i);
  return out;
}

const LEAST = { int64: -(2n ** 63n), int32: -(2n ** 31n), uint32: 0n };

/** A float cut towards zero; one that no integer stands for becomes the least integer, as on x86. */
function cut(x, dtype) {
  const whole = Math.trunc(x);
  if (!(Math.abs(whole) < 2 ** 63)) return LEAST[dtype];
  const exact = BigInt(whole);
  return dtype === "int32" && wrap(dtype, exact) !== exact ? LEAST[dtype] : exact;
}

function converted([{ data, dtype: from }], settings, shape, dtype) {
  const out = zeros(dtype, data.length);
  for (let i = 0; i < out.length; i += 1) {
    const x = data[i];
    if (dtype === "bool") out[i] = x != 0 ? 1 : 0; // eslint-disable-line eqeqeq -- 0n is 0, NaN is true
    else if (isInteger(dtype)) {
      out[i] = stored(dtype, wrap(dtype, isFloat(from) ? cut(x, dtype) : BigInt(x)));
    } else out[i] = Number(x);
  }
  return out;
}

// -- the table ----------------------------------------------------------------------------------------------

function reads(settings, shapes, shape, index) {
  return shapes.map((own) => [broadcastPlace(own, shape, index)]);
}

/** Where the condition is known, only the operand that it chose. */
function readsOfWhere(settings, shapes, shape, index, inputs) {
  const found = reads(settings, shapes, shape, index);
  if (inputs) found[inputs[0].data[found[0][0]] ? 2 : 1] = [];
  return found;
}

export const elementwise = {
  where: { forward: chosen, reads: readsOfWhere },
  cast: { forward: converted, reads },
};
for (const name of Object.keys(FLOATS)) elementwise[name] = { forward: computed(name), reads };
for (const name of Object.keys(QUESTIONS)) elementwise[name] = { forward: asked(name), reads };
