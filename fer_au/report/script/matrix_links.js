// Cells of confusion matrices become links to the faces that they count.

function startMatrixLinks() {
  for (const cell of document.querySelectorAll("td[data-true]")) {
    const { set, experiment, true: truth, predicted } = cell.dataset;
    if (!galleryNames().includes(set)) continue;
    const values = { ...(galleryNames().length > 1 ? { set } : {}), a: experiment, true: truth, predicted };
    const words = `${cell.textContent}, ${cell.title}: ${truth} taken for ${predicted} by ${experiment}`;
    cell.replaceChildren(element("a", { href: spellFragment("gallery", values), "aria-label": words }, cell.textContent));
  }
}
