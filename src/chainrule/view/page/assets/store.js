// The numbers that the page shows: those of the record, or those that a changed input gave; and what is hidden.

import { decode, summary } from "chainrule/arrays";

/**
 * A tensor seen as a matrix: the last axis across, all others down.
 * @typedef {{shape: number[], dtype: string, height: number, width: number, rows: number[]|null,
 *   columns: number[]|null, data: ArrayLike<number|bigint>, stats: object}} View
 */

const product = (shape) => shape.reduce((all, side) => all * side, 1);

/** Gives the tensor of a place such as `value:3`, `gradient:3` or `upstream:3:0`. */
export class Store {
  constructor(record) {
    this.record = record;
    this.replaced = null;
    this.hidden = null;
    this._views = new Map();
  }

  /** Whether a place's number must not be shown. */
  conceals(place) {
    return Boolean(this.hidden?.has(place));
  }

  /** The number of the record's tensor at a place; null where there is none. */
  _number(place) {
    const [what, id, index] = place.split(":");
    const node = this.record.nodes[Number(id)];
    return (index === undefined ? node[what] : node.terms[Number(index)]?.[what]) ?? null;
  }

  /** @returns {View|null} what is shown at a place. */
  view(place) {
    const given = this.replaced?.get(place);
    if (given) {
      const [height, width] = plane(given.shape);
      return { ...given, height, width, rows: null, columns: null, stats: summary(given) };
    }
    const number = this._number(place);
    return number === null ? null : this.recorded(number);
  }

  /** @returns {View} a tensor of the record by its number. */
  recorded(number) {
    if (!this._views.has(number)) {
      const tensor = this.record.tensors[number];
      const [height, width] = plane(tensor.shape);
      this._views.set(number, {
        shape: tensor.shape, dtype: tensor.dtype, height, width, rows: tensor.rows, columns: tensor.columns,
        data: decode(tensor.data, tensor.dtype), stats: tensor,
      });
    }
    return this._views.get(number);
  }

  /** The whole tensor of a place as {shape, dtype, data}; null where the record keeps only its ends. */
  tensor(place) {
    const view = this.view(place);
    if (!view || view.rows || view.columns) return null;
    return { shape: view.shape, dtype: view.dtype, data: view.data };
  }
}

/** Rows and columns of a shape seen as a matrix. */
export function plane(shape) {
  return shape.length ? [product(shape.slice(0, -1)), shape[shape.length - 1]] : [1, 1];
}

/** The entry at a row and a column of a view, NaN-safe; undefined where the record does not keep it. */
export function entry(view, row, column) {
  const r = view.rows ? view.rows.indexOf(row) : row;
  const c = view.columns ? view.columns.indexOf(column) : column;
  if (r < 0 || c < 0) return undefined;
  return Number(view.data[r * (view.columns ? view.columns.length : view.width) + c]);
}

/** The single entry of a tensor of size one. */
export const scalar = (view) => (view && view.height * view.width === 1 ? Number(view.data[0]) : null);
