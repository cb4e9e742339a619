// Elements, made without markup: every text, of whatever origin, stays text.

/**
 * Make an element.
 * @param tag name of the element.
 * @param attributes name to value; false and null leave one out, true makes it empty.
 * @param children elements and texts.
 */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Set attributes as `element` does. */
function setAttributes(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) target.removeAttribute(name);
    else target.setAttribute(name, value === true ? "" : value);
  }
}

/** Write a number in fixed digits with a true minus sign; a dash where it is unknown. */
function formatNumber(value, digits = 2) {
  return Number.isFinite(value) ? value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "−") : "–";
}
