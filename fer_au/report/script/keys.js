// Keys of the whole page; those of the grid and of a single face are in their own files.

/** `/` goes to the search field, `?` shows the keys. A reader who types or holds a modifier means something else. */
function startKeys(search, keys) {
  keys.querySelector("button").addEventListener("click", () => keys.close());
  for (const opener of document.querySelectorAll("[data-keys]")) opener.addEventListener("click", () => keys.showModal());
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (event.key === "/" && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      search.focus();
      search.scrollIntoView({ block: "center" });
    }
    if (event.key === "?" && !keys.open) keys.showModal();
  });
}
