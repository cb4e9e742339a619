// What the reader has chosen in the gallery: texts by name, as the address holds them.

let namesOfGalleries = null;

/** The state before anything is chosen: the first unguided experiment beside the first guided one. */
function defaultState(data) {
  const names = data.experiments.map((one) => one.name);
  const plain = data.experiments.find((one) => !one.guided)?.name ?? names[0];
  const other = data.experiments.find((one) => one.guided && one.name !== plain)?.name;
  const b = other ?? names.find((name) => name !== plain) ?? "";
  const state = {
    set: data.name, a: plain, b, q: "", true: "", predicted: "", answer: "", low: "0", high: "100",
    sort: "", of: "a", order: "down", map: lastLayer(data.byName.get(plain)), opacity: "75", points: "", regions: "", face: "",
  };
  for (const trait of data.traits) state[`in-${trait.key}`] = "";
  return state;
}

/** Key of the map of an experiment's last layer, or of any map that it has. */
function lastLayer(experiment) {
  const keys = experiment.maps.map((one) => one.key);
  return keys.filter((key) => key.startsWith("attention/")).at(-1) ?? keys[0] ?? "au";
}

/** The map of an experiment that stands for `key`: the last layer where the network has no such map. */
function mapKeyOf(data, experiment, key) {
  if (!experiment || key === "none" || key === "au" || data.shape(experiment, key)) return key;
  return lastLayer(experiment);
}

/** What differs from the defaults, which is all that the address needs. */
function changedState(state, defaults) {
  return Object.fromEntries(
    Object.entries(state).filter(([key, value]) => value !== defaults[key] || (key === "set" && galleryNames().length > 1)),
  );
}

/** Data sets that have a gallery. */
function galleryNames() {
  namesOfGalleries ??= readJson("galleries") ?? [];
  return namesOfGalleries;
}
