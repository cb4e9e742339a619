// Which images the reader asked for, and in which order.

const ANSWERS = {
  "": () => true,
  right: (a) => a?.right === true,
  wrong: (a) => a?.right === false,
  "wrong-right": (a, b) => a?.right === false && b?.right === true,
  "right-wrong": (a, b) => a?.right === true && b?.right === false,
  "wrong-wrong": (a, b) => a?.right === false && b?.right === false,
  differ: (a, b) => Boolean(a && b) && a.predicted !== b.predicted,
};

/** List the images that pass all filters, in the reader's order; ties stay in the order of the data set. */
function selectImages(data, state) {
  const [a, b] = [data.byName.get(state.a), data.byName.get(state.b)];
  const wanted = state.q.toLowerCase();
  const members = chosenParts(data, state).map((part) => new Set(part.images));
  const passed = [];
  for (let image = 0; image < data.count; image++) {
    if (wanted && !data.ids[image].toLowerCase().includes(wanted)) continue;
    if (state.true && data.label(image) !== state.true) continue;
    if (!members.every((own) => own.has(image))) continue;
    const own = data.answer(a, image);
    if (state.predicted && own?.predicted !== state.predicted) continue;
    if (!(ANSWERS[state.answer] ?? ANSWERS[""])(own, data.answer(b, image))) continue;
    if (!withinConfidence(own, state)) continue;
    passed.push(image);
  }
  return sortImages(data, state, passed);
}

/** Chosen parts of traits, such as the pose from 15 to 30 degrees. */
function chosenParts(data, state) {
  return data.traits.flatMap((trait) => trait.parts.filter((part) => state[`in-${trait.key}`] === part.key));
}

function withinConfidence(answer, state) {
  const [low, high] = [percent(state.low, 0), percent(state.high, 100)];
  if (low <= 0 && high >= 100) return true;
  return answer !== null && answer.confidence * 100 >= low && answer.confidence * 100 <= high;
}

/** Read a percentage; what is none, such as an empty field, counts as no limit. */
function percent(text, none) {
  const value = text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) ? value : none;
}

/** The value by which an image is sorted: of A, of B, or the difference A - B. */
function sortValue(data, state, image) {
  const of = (name) => data.score(data.byName.get(name), state.sort, image);
  if (state.of === "b") return of(state.b);
  return state.of === "a-b" ? of(state.a) - of(state.b) : of(state.a);
}

function sortImages(data, state, images) {
  if (!state.sort) return images;
  const sign = state.order === "up" ? 1 : -1;
  const valued = images.map((image) => ({ image, value: sortValue(data, state, image) }));
  const rank = ({ value }) => (Number.isNaN(value) ? Infinity : sign * value); // without a value: last
  valued.sort((one, other) => {
    const [x, y] = [rank(one), rank(other)];
    return x === y ? one.image - other.image : x - y;
  });
  return valued.map(({ image }) => image);
}
