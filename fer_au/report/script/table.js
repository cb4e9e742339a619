// Tables of experiments: sorted by any column, and filtered by words, noted in the address as `#verdict?filter=...&sort=...`.

const TABLES_SECTION = "verdict";
const FEW_ROWS = 2; // of a table that needs no filter

function startTables() {
  const tables = [...document.querySelectorAll("table[data-sortable]")].filter((one) => one.tBodies[0].rows.length > 1);
  if (!tables.length) return;
  const state = { filter: "", sort: "", down: "" };
  for (const table of tables) addSorting(table, state);
  const box = addFilter(tables, state);
  onFragment(TABLES_SECTION, (values) => {
    Object.assign(state, { filter: "", sort: "", down: "" }, values);
    if (box) box.value = state.filter;
    else state.filter = ""; // without a box, nobody could take it away
    filterRows(state.filter);
    for (const table of tables) sortBy(table, state.sort, state.down !== "no");
  });
}

/** Make a button of every head; a number sorts the highest first, a word by the alphabet. */
function addSorting(table, state) {
  const body = table.tBodies[0];
  [...body.rows].forEach((row, place) => (row.dataset.place = place));
  for (const head of table.tHead.rows[0].cells) {
    const text = head.textContent.trim();
    if (!text) continue;
    const earlier = [...table.tHead.rows[0].cells].slice(0, head.cellIndex).filter((one) => one.textContent.trim() === text);
    const key = earlier.length ? `${text} (${earlier.length + 1})` : text; // heads may repeat, as p does
    head.dataset.key = key;
    const button = element("button", { type: "button", class: "sort", "aria-label": `sort by ${key}` }, text);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const first = startsDown(table, head.cellIndex);
      // Once as the column is read best, once the other way, and then as params.yaml has it.
      const next = now === null ? first : (now === "descending") === first ? !first : null;
      Object.assign(state, { sort: next === null ? "" : key, down: next === false ? "no" : "" });
      sortBy(table, state.sort, next ?? true);
      writeFragment(TABLES_SECTION, state);
    });
    head.replaceChildren(button);
  }
}

/** Tell whether a column's highest value comes first: numbers do, but p-values, which count from below. */
function startsDown(table, column) {
  const cells = [...table.tBodies[0].rows].map((row) => row.cells[column]);
  return table.tHead.rows[0].cells[column].textContent.trim() !== "p" && cells.some((cell) => cell && "value" in cell.dataset);
}

/** Sort a table by the column of a head; an unknown one brings the first order back. Unknown values come last. */
function sortBy(table, key, down) {
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((head) => key && head.dataset.key === key);
  for (const head of heads) head.removeAttribute("aria-sort");
  if (column >= 0) heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  const place = (row) => Number(row.dataset.place);
  const compare = (one, other) => {
    if (column < 0) return place(one) - place(other);
    const [left, right] = [one, other].map((row) => row.cells[column]);
    if (!("value" in (left?.dataset ?? {})) && !("value" in (right?.dataset ?? {}))) {
      const order = (left?.textContent ?? "").localeCompare(right?.textContent ?? "", "en", { numeric: true });
      return (down ? -order : order) || place(one) - place(other);
    }
    const [low, high] = [left, right].map((cell) => Number(cell?.dataset.value ?? NaN));
    if (Number.isNaN(low) || Number.isNaN(high)) return Number.isNaN(low) - Number.isNaN(high) || place(one) - place(other);
    return (down ? high - low : low - high) || place(one) - place(other);
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
}

/** Add a box above the first table that leaves the rows, of all tables, that have every word. */
function addFilter(tables, state) {
  if (!tables.some((one) => one.tBodies[0].rows.length > FEW_ROWS)) return null;
  const box = element("input", { type: "search", placeholder: "name, group or method", autocomplete: "off" });
  const count = element("span", { "data-part": "experiment-count", role: "status" });
  box.addEventListener("input", () => {
    state.filter = box.value;
    filterRows(state.filter);
    writeFragment(TABLES_SECTION, state);
  });
  const area = tables[0].closest(".scroll") ?? tables[0];
  const before = area.previousElementSibling?.matches("h4") ? area.previousElementSibling : area;
  before.before(element("p", { class: "filter" }, element("label", {}, "Show experiments with ", box), count));
  return box;
}

/** Hide the rows and cards that lack a word. */
function filterRows(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const named = [...document.querySelectorAll("table[data-sortable] [data-name], .modelcard[data-name]")];
  for (const one of named) one.hidden = !words.every((word) => one.dataset.name.toLowerCase().includes(word));
  const cards = named.filter((one) => one.matches(".modelcard"));
  const shown = cards.filter((one) => !one.hidden).length;
  const count = document.querySelector("[data-part=experiment-count]");
  if (count) count.textContent = words.length ? `${shown} of ${cards.length}` : "";
}
