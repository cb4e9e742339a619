// Areas that scroll sideways: told to readers, and reached by the keyboard.

/** Mark what is wider than its place, now and whenever the window changes. */
function startScrollers() {
  const areas = [...document.querySelectorAll("main .scroll, main .matrix")];
  const mark = () => {
    for (const area of areas.filter((one) => !one.closest("dialog"))) {
      const scrolls = area.scrollWidth > area.clientWidth + 1;
      const label = scrolls ? `${headingOf(area)}, scrolls sideways` : null;
      setAttributes(area, { tabindex: scrolls ? "0" : null, role: scrolls ? "region" : null, "aria-label": label });
      area.classList.toggle("scrolls", scrolls);
    }
  };
  addEventListener("resize", mark);
  addEventListener("toggle", mark, true); // what was folded away had no width
  mark();
}

/** The heading nearest before an area. */
function headingOf(area) {
  const headings = [...area.closest("section, figure, header").querySelectorAll("h2, h3, h4, figcaption")];
  const before = headings.filter((one) => one.compareDocumentPosition(area) & Node.DOCUMENT_POSITION_FOLLOWING);
  return (before.at(-1) ?? headings[0])?.textContent.trim().replace(/\s+/g, " ") ?? "table";
}
