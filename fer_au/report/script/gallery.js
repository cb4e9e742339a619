// The gallery: state, controls, tiles and detail, held together.

/** Start the gallery where the page has one. */
function startGallery() {
  const root = document.querySelector("[data-gallery]");
  if (!root || !galleryNames().length) return;
  for (const hidden of document.querySelectorAll("[data-scripted]")) hidden.hidden = false;
  new Gallery(root);
}

class Gallery {
  constructor(root) {
    this.root = root;
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.dataOf = new Map();
    this.tiles = new Tiles(this.part("grid"), (image) => this.change("face", this.data.ids[image]));
    this.detail = new Detail(this.part("detail"), (key, value) => this.change(key, value));
    this.part("set").hidden = galleryNames().length < 2;
    if (matchMedia("(max-width: 640px)").matches) this.part("more").open = false;
    bindControls(root, (key, value) => this.change(key, value));
    this.part("reset").addEventListener("click", () => this.apply({ set: this.state.set }));
    this.part("swap").addEventListener("click", () => this.swap());
    startKeys(this.part("search"), this.part("keys"));
    this.apply({}, false);
    onFragment("gallery", (values) => this.apply(values, false, true));
  }

  /** Take a whole state over from the address or a link; what it doesn't name gets its default. */
  apply(values, write = true, scroll = false) {
    this.open(values.set);
    this.state = { ...this.defaults };
    for (const key of Object.keys(this.state)) if (key in values) this.state[key] = values[key];
    this.update(write);
    if (scroll) this.root.scrollIntoView({ behavior: "instant" });
  }

  /** Open a data set: its controls and defaults. */
  open(name) {
    const names = galleryNames();
    const chosen = names.includes(name) ? name : names[0];
    if (this.data?.name === chosen) return;
    if (!this.dataOf.has(chosen)) this.dataOf.set(chosen, new GalleryData(chosen));
    this.data = this.dataOf.get(chosen);
    this.defaults = defaultState(this.data);
    const traits = this.part("traits");
    makeTraitControls(traits, this.data);
    bindControls(traits, (key, value) => this.change(key, value));
  }

  change(key, value) {
    if (this.state[key] === value) return;
    if (key === "set") {
      this.apply({ set: value });
      return;
    }
    const left = this.state.face;
    this.state[key] = value;
    this.update();
    if (key === "face" && !value) this.tiles.focus(this.data.ids.indexOf(left));
  }

  swap() {
    if (!this.state.b) return;
    [this.state.a, this.state.b] = [this.state.b, this.state.a];
    this.update();
  }

  update(write = true) {
    const { data, state } = this;
    showControls(this.root, data, state, this.defaults);
    const images = selectImages(data, state);
    this.root.style.setProperty("--opacity", String(percent(state.opacity, 75) / 100));
    this.part("count").textContent = this.countText(images.length);
    this.part("none").hidden = images.length > 0;
    this.part("swap").disabled = !state.b;
    this.part("meaning").textContent = data.scores.find((one) => one.key === state.sort)?.meaning ?? "";
    this.part("questions").replaceChildren(...questionLinks(data, state));
    this.tiles.show(data, state, images);
    this.detail.show(data, state, images);
    if (write) writeFragment("gallery", changedState(state, this.defaults));
  }

  countText(shown) {
    const { count, total } = this.data;
    const part = count < total ? `; this page holds ${count} of ${total} test images` : "";
    return `${shown === count ? `All ${count}` : `${shown} of ${count}`} faces${part}`;
  }
}

/** Links to views that answer what readers ask first. */
function questionLinks(data, state) {
  const { set, a, b } = state;
  const pose = data.traits.find((one) => one.key === "pose");
  const link = (text, values) => element("a", { href: spellFragment("gallery", { ...(galleryNames().length > 1 ? { set } : {}), a, b, ...values }) }, text);
  const turned = ["over_30", "15-30"].flatMap((key) => (pose?.parts ?? []).filter((part) => part.key === key))[0];
  return [
    link(`Confident mistakes of ${a}`, { answer: "wrong", sort: "confidence" }),
    b && link(`${a} wrong, ${b} right`, { answer: "wrong-right", sort: "confidence" }),
    data.scores.some((one) => one.key === "att_ccos") && link(`Where ${b || a} looks elsewhere`, { a: b || a, b: b ? a : "", sort: "att_ccos", order: "up" }),
    turned && link(`Heads turned ${turned.title}°`, { "in-pose": turned.key, sort: "confidence", order: "up" }),
  ].filter(Boolean);
}
