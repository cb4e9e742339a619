// One data set's gallery: what Python packed, unpacked when it is first asked for.

class GalleryData {
  constructor(name) {
    this.prefix = `gallery/${name}`;
    Object.assign(this, readJson(this.prefix));
    this.bytes = new Map();
    this.byName = new Map(this.experiments.map((one) => [one.name, one]));
    this.count = this.ids.length;
  }

  /** Bytes of a block of this gallery. */
  block(path) {
    if (!this.bytes.has(path)) this.bytes.set(path, readBytes(`${this.prefix}/${path}`));
    return this.bytes.get(path);
  }

  /** The face as an address for an `img`. */
  face(image) {
    this.faces ??= readJson(`${this.prefix}/faces`);
    return `data:image/webp;base64,${this.faces[image]}`;
  }

  label(image) {
    return this.classes[this.labels[image]];
  }

  /** Numbers of an experiment, `width` for each image or score. */
  numbers(experiment, kind) {
    const path = `${experiment.name}/${kind}`;
    const key = `numbers ${path}`;
    if (!this.bytes.has(key)) this.bytes.set(key, new Float32Array(this.block(path).buffer));
    return this.bytes.get(key);
  }

  /** Probabilities in the order of `experiment.classes`; null if the experiment didn't answer the image. */
  probabilities(experiment, image) {
    const width = experiment.classes.length;
    const own = this.numbers(experiment, "probabilities").subarray(image * width, (image + 1) * width);
    return Number.isNaN(own[0]) ? null : own;
  }

  /** The answer to an image: predicted class, its probability, and whether it is right; null if there is none. */
  answer(experiment, image) {
    const own = experiment && this.probabilities(experiment, image);
    if (!own) return null;
    const best = own.indexOf(Math.max(...own));
    const predicted = this.classes[experiment.classes[best]];
    return { predicted, confidence: own[best], right: predicted === this.label(image) };
  }

  /** Score of an image; NaN where there is none. */
  score(experiment, key, image) {
    const place = experiment ? experiment.scores.indexOf(key) : -1;
    return place < 0 ? NaN : this.numbers(experiment, "scores")[place * this.count + image];
  }

  /** Map of an image: cells, rows, columns; null if there is none. `key` is `au`, or a map of the experiment. */
  map(experiment, key, image) {
    const shape = key === "au" ? { rows: this.auSide, columns: this.auSide } : this.shape(experiment, key);
    if (!shape) return null;
    const size = shape.rows * shape.columns;
    const cells = this.block(key === "au" ? "au" : `${experiment.name}/${key}`).subarray(image * size, (image + 1) * size);
    return cells.some((cell) => cell > 0) ? { cells, rows: shape.rows, columns: shape.columns } : null;
  }

  shape(experiment, key) {
    return experiment?.maps.find((one) => one.key === key);
  }

  /** The 68 points as x, y in shares of the side; null where none were found. */
  points(image) {
    this.allPoints ??= new Int16Array(this.block("points").buffer);
    const own = this.allPoints.subarray(image * 136, (image + 1) * 136);
    return own[0] === -32768 ? null : Array.from(own, (value) => value / this.pointUnit);
  }

  /** Polygons of the face's regions; none where no points were found. */
  outlines(image) {
    const bytes = this.block("outlines");
    const found = [];
    for (let at = this.outlineOffsets[image]; at < this.outlineOffsets[image + 1]; ) {
      const [region, count] = [bytes[at], bytes[at + 1]];
      const corners = Array.from({ length: count }, (_, k) =>
        [0, 1].map((axis) => (bytes[at + 2 + 2 * k + axis] + 0.5) / this.outlineSide),
      );
      found.push({ region, corners });
      at += 2 + 2 * count;
    }
    return found;
  }
}
