// Making SVG elements and holders of MathML.

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A formula: the record's own MathML, which the library wrote, or its text where there is none. */
export function math(mathml, text) {
  const holder = document.createElement("span");
  holder.className = "math";
  if (mathml) holder.innerHTML = mathml;
  else holder.textContent = text ?? "";
  return holder;
}
