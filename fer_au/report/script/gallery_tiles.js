// The grid of faces: a button for each, drawn when it comes into view.

class Tiles {
  constructor(grid, open) {
    this.grid = grid;
    this.tiles = [];
    this.shown = [];
    const nearby = { rootMargin: "400px", scrollMargin: "400px" };
    this.watcher = new IntersectionObserver((entries) => this.draw(entries), nearby);
    grid.addEventListener("click", (event) => {
      const tile = event.target.closest("button");
      if (tile) open(Number(tile.dataset.image));
    });
    grid.addEventListener("keydown", (event) => this.move(event));
  }

  /** Show some images of a data set in their order, as the state wants them. */
  show(data, state, images) {
    if (data !== this.data) this.tiles = Array.from({ length: data.count }, (_, image) => this.make(image));
    Object.assign(this, { data, state, shown: images });
    for (const image of images) this.label(image);
    this.grid.replaceChildren(...images.map((image) => this.tiles[image]));
    this.watcher.disconnect();
    for (const image of images) this.watcher.observe(this.tiles[image]);
    this.reachable(images[0]);
  }

  make(image) {
    return element("button", { type: "button", class: "shot", "data-image": image, tabindex: "-1" }, makeFace(), element("span", { class: "told" }));
  }

  /** Say in words what the models answered; the same for those who can't see the picture. */
  label(image) {
    const { data, state } = this;
    const words = element("span", { class: "told" }, element("b", {}, data.label(image)));
    const spoken = [data.ids[image], `true ${data.label(image)}`];
    for (const [letter, name] of [["A", state.a], ["B", state.b]]) {
      const answer = name ? data.answer(data.byName.get(name), image) : null;
      if (!answer) continue;
      const text = `${answer.predicted} ${formatNumber(answer.confidence)}`;
      words.append(element("span", { class: answer.right ? "right" : "wrong" }, `${letter} ${answer.right ? "✓" : "✗"} ${text}`));
      spoken.push(`${name}: ${text}, ${answer.right ? "right" : "wrong"}`);
    }
    if (state.sort) {
      const value = formatNumber(sortValue(data, state, image), 3);
      words.append(element("span", { class: "value" }, `${state.sort} ${value}`));
      spoken.push(`${state.sort} ${value}`);
    }
    this.tiles[image].lastChild.replaceWith(words);
    setAttributes(this.tiles[image], { "aria-label": spoken.join("; "), title: data.ids[image] });
  }

  draw(entries) {
    const { data, state } = this;
    const experiment = data.byName.get(state.a);
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      const image = Number(entry.target.dataset.image);
      const [key, points, regions] = [mapKeyOf(data, experiment, state.map), state.points === "1", state.regions === "1"];
      fillFace(entry.target.firstChild, data, image, { experiment, key, points, regions });
    }
  }

  /** Let Tab reach one tile of the grid; arrows go on from it. */
  reachable(image) {
    this.entry?.setAttribute("tabindex", "-1");
    this.entry = this.tiles[image];
    this.entry?.setAttribute("tabindex", "0");
  }

  focus(image) {
    this.reachable(image);
    this.tiles[image]?.focus();
  }

  move(event) {
    const at = this.shown.indexOf(Number(event.target.dataset.image));
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns(), ArrowDown: this.columns(), Home: -at, End: this.shown.length - 1 - at };
    if (at < 0 || !(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = at + steps[event.key];
    if (next >= 0 && next < this.shown.length) this.focus(this.shown[next]);
  }

  columns() {
    return getComputedStyle(this.grid).gridTemplateColumns.split(" ").length;
  }
}
