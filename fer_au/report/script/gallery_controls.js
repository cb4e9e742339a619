// Controls of the gallery, each bound to one name of the state; a name may have several controls.

/** Make an option list; `groups` is a list of [heading, [[value, text], ...]], an empty heading for none. */
function fillOptions(select, groups) {
  const option = ([value, text]) => element("option", { value }, text);
  select.replaceChildren(
    ...groups.flatMap(([heading, options]) =>
      heading ? [element("optgroup", { label: heading }, ...options.map(option))] : options.map(option),
    ),
  );
}

/** Group entries by a text of theirs, in the order in which the texts come first. */
function groupBy(entries, textOf) {
  const groups = new Map();
  for (const one of entries) groups.set(textOf(one), [...(groups.get(textOf(one)) ?? []), one]);
  return [...groups];
}

/** The options of every select that is filled by the data. */
function optionsOf(data, state) {
  const plain = (values) => values.map((value) => [value, value]);
  const names = plain(data.experiments.map((one) => one.name));
  const classes = [["", [["", "any"], ...plain(data.classes)]]];
  const experiment = data.byName.get(state.a);
  const maps = experiment ? experiment.maps.map((one) => [one.key, one.title]) : [];
  const scores = groupBy(data.scores, (one) => one.family).map(([family, own]) => [family, plain(own.map((one) => one.key))]);
  return {
    set: [["", plain(galleryNames())]],
    a: [["", names]],
    b: [["", [["", "none"], ...names]]],
    true: classes,
    predicted: classes,
    sort: [["", [["", "place in the data set"]]], ...scores],
    map: [["", [["none", "none"], ["au", "AU map"]]], ["Attention of model A", maps.filter(([key]) => !key.startsWith("cam/"))], ["CAM of model A", maps.filter(([key]) => key.startsWith("cam/"))]].filter(([, own]) => own.length),
  };
}

/** Bind all controls below `root` to the state: `read` gives it, `change(key, value)` tells of a choice. */
function bindControls(root, change) {
  for (const control of controlsOf(root)) {
    const told = control.type === "range" || control.type === "search" || control.type === "number" ? "input" : "change";
    control.addEventListener(told, () => {
      change(control.dataset.state, control.type === "checkbox" ? (control.checked ? "1" : "") : control.value);
    });
  }
}

function controlsOf(root) {
  return [...root.querySelectorAll("[data-state]")];
}

/** Show the state in all controls; a value that a select doesn't have becomes its default. */
function showControls(root, data, state, defaults) {
  const options = optionsOf(data, state);
  for (const control of controlsOf(root)) {
    const key = control.dataset.state;
    if (control.tagName === "SELECT") {
      if (options[key]) fillOptions(control, options[key]);
      const known = [...control.options].some((one) => one.value === state[key]);
      if (!known) state[key] = defaults[key];
    }
    if (control.type === "checkbox") control.checked = state[key] === "1";
    else if (control !== document.activeElement || control.tagName === "SELECT") control.value = state[key];
  }
}

/** Make a select for every trait of the data set, such as pose and detector. */
function makeTraitControls(place, data) {
  place.replaceChildren(
    ...data.traits.map((trait) => {
      const select = element("select", { "data-state": `in-${trait.key}` });
      const parts = trait.parts.map((part) => [part.key, `${part.title} (${part.images.length})`]);
      fillOptions(select, [["", [["", "any"], ...parts]]]);
      return element("label", {}, trait.title, select);
    }),
  );
}
