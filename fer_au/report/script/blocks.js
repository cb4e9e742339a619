// Data of the page: blocks that Python embedded and the browser never ran.

/** Find a block by its name; null where the page has none. */
function findBlock(name) {
  return [...document.querySelectorAll("script[data-block]")].find((one) => one.dataset.block === name) ?? null;
}

/** Read a block of JSON; null where the page has none. */
function readJson(name) {
  const block = findBlock(name);
  return block ? JSON.parse(block.textContent) : null;
}

/** Read a block of base64 as bytes. */
function readBytes(name) {
  const text = atob(findBlock(name).textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  return bytes;
}
