// One face with what lies over it: the picture, a map whose opacity the reader sets, points and outlines.

/** Make the empty stack of a face; `fillFace` draws it. */
function makeFace(className = "") {
  const picture = element("img", { alt: "", decoding: "async", draggable: "false" });
  const map = element("canvas", { class: "map", width: FACE_CELLS, height: FACE_CELLS, "aria-hidden": "true" });
  const lines = element("canvas", { class: "lines", width: 320, height: 320, "aria-hidden": "true" });
  return element("span", { class: `stack ${className}` }, picture, map, lines);
}

/** Draw a face of the data; what hasn't changed since the last call is left as it is. */
function fillFace(stack, data, image, { experiment = null, key = "none", points = false, regions = false }) {
  const [picture, map, lines] = stack.children;
  const face = `${data.name} ${image}`;
  if (stack.dataset.face !== face) picture.src = data.face(image);
  const heat = key === "none" ? null : data.map(experiment, key, image);
  const [mapNow, linesNow] = [`${face} ${experiment?.name} ${key}`, `${face} ${points} ${regions}`];
  if (stack.dataset.map !== mapNow) {
    stack.classList.toggle("heated", heat !== null);
    const context = map.getContext("2d");
    if (heat) paintMap(context, heat, FACE_CELLS);
    else context.clearRect(0, 0, FACE_CELLS, FACE_CELLS);
  }
  if (stack.dataset.lines !== linesNow) drawLines(lines, data, image, points, regions);
  Object.assign(stack.dataset, { face, map: mapNow, lines: linesNow });
}

function drawLines(canvas, data, image, points, regions) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (regions) drawOutlines(context, data.outlines(image), canvas.width);
  const found = points ? data.points(image) : null;
  if (found) drawPoints(context, found, canvas.width);
}
