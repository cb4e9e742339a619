// One face in full: two experiments side by side, all of their maps, probabilities and scores.

class Detail {
  constructor(dialog, change) {
    this.dialog = dialog;
    this.part = (name) => dialog.querySelector(`[data-part="${name}"]`);
    this.change = change;
    for (const [name, step] of [["previous", -1], ["next", 1]]) this.part(name).addEventListener("click", () => this.step(step));
    this.part("close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => change("face", ""));
    dialog.addEventListener("keydown", (event) => {
      if (event.target.matches("input, select")) return;
      if (event.key === "ArrowLeft") this.step(-1);
      if (event.key === "ArrowRight") this.step(1);
    });
  }

  /** Show the face that the state names, among the images that it selects; close if it names none of the set. */
  show(data, state, images) {
    const image = data.ids.indexOf(state.face);
    if (!state.face || image < 0) {
      if (this.dialog.open) this.dialog.close();
      return;
    }
    Object.assign(this, { data, state, images, image });
    const at = images.indexOf(image);
    this.part("id").textContent = data.ids[image];
    this.part("place").textContent = at < 0 ? "not among the faces below" : `${at + 1} of ${images.length}`;
    this.part("label").textContent = data.label(image);
    this.part("previous").disabled = at <= 0;
    this.part("next").disabled = at < 0 || at + 1 >= images.length;
    const pair = [...new Set([state.a, state.b])].map((name) => data.byName.get(name)).filter(Boolean);
    this.part("pair").replaceChildren(...this.pictures(pair));
    this.part("maps").replaceChildren(...pair.map((one) => this.strip(one)));
    this.part("probabilities").replaceChildren(...probabilityRows(data, image, pair));
    this.part("scores").replaceChildren(...scoreRows(data, image, pair));
    if (!this.dialog.open) this.dialog.showModal();
  }

  step(step) {
    const next = this.images[this.images.indexOf(this.image) + step];
    if (next !== undefined && this.images.includes(this.image)) this.change("face", this.data.ids[next]);
  }

  figure(caption, options, className = "large", kind = "") {
    const stack = makeFace(className);
    fillFace(stack, this.data, this.image, options);
    return element("figure", { class: kind }, stack, element("figcaption", {}, ...caption));
  }

  pictures(pair) {
    const lines = { points: this.state.points === "1", regions: this.state.regions === "1" };
    const hasMap = this.data.map(null, "au", this.image);
    const first = [
      this.figure(["face"], lines),
      this.figure([hasMap ? `AU map of ${this.data.label(this.image)}` : "no AU map"], { key: "au", ...lines }),
    ];
    const others = pair.map((experiment) => {
      const key = mapKeyOf(this.data, experiment, this.state.map === "au" || this.state.map === "none" ? lastLayer(experiment) : this.state.map);
      const answer = this.data.answer(experiment, this.image);
      const title = this.data.shape(experiment, key)?.title ?? "no maps on this page";
      const said = answer ? `${answer.right ? "✓" : "✗"} ${answer.predicted} ${formatNumber(answer.confidence)}` : "not in its test split";
      const words = element("span", { class: answer?.right ? "right" : "wrong" }, said);
      return this.figure([element("b", {}, experiment.name), ` ${title} `, words], { experiment, key, ...lines });
    });
    return [...first, ...others];
  }

  /** All maps of an experiment, small; each is a button that draws it everywhere. */
  strip(experiment) {
    const buttons = experiment.maps.map((map) => {
      const stack = makeFace("small");
      fillFace(stack, this.data, this.image, { experiment, key: map.key });
      const chosen = this.state.map === map.key;
      const button = element("button", { type: "button", class: "shot", "aria-pressed": String(chosen) }, stack, element("span", { class: "told" }, map.title));
      button.addEventListener("click", () => this.change("map", map.key));
      return button;
    });
    return element("div", { class: "strip" }, element("h4", {}, experiment.name), element("div", {}, ...buttons));
  }
}

function headRow(first, pair) {
  return element("tr", {}, element("th", { scope: "col" }, first), ...pair.map((one) => element("th", { scope: "col" }, one.name)));
}

/** A row per class, with a bar for each experiment. */
function probabilityRows(data, image, pair) {
  const cell = (experiment, name) => {
    const own = data.probabilities(experiment, image);
    const value = own?.[experiment.classes.indexOf(data.classes.indexOf(name))];
    const bar = element("i", { class: "bar-of", "aria-hidden": "true" });
    bar.style.setProperty("--v", `${(value ?? 0) * 100}%`);
    return element("td", {}, bar, value === undefined ? "–" : formatNumber(value));
  };
  const rows = data.classes.map((name) => {
    const mark = name === data.label(image) ? " (true)" : "";
    return element("tr", { class: mark && "truth" }, element("th", { scope: "row" }, name + mark), ...pair.map((one) => cell(one, name)));
  });
  return [element("thead", {}, headRow("class", pair)), element("tbody", {}, ...rows)];
}

/** A row per score, by family, with the difference of two experiments. */
function scoreRows(data, image, pair) {
  const two = pair.length > 1;
  const head = headRow("score", pair);
  if (two) head.append(element("th", { scope: "col" }, "difference"));
  const bodies = groupBy(data.scores, (one) => one.family).map(([family, scores]) => {
    const rows = scores.map(({ key, meaning }) => {
      const values = pair.map((one) => data.score(one, key, image));
      const cells = [...values, ...(two ? [values[0] - values[1]] : [])].map((value) => element("td", { class: "num" }, formatNumber(value, 3)));
      return element("tr", {}, element("th", { scope: "row", title: meaning || null }, key), ...cells);
    });
    const title = element("th", { colspan: 2 + pair.length, scope: "rowgroup" }, family);
    return element("tbody", {}, element("tr", { class: "family" }, title), ...rows);
  });
  return [element("thead", {}, head), ...bodies];
}
