// Maps, points and outlines as pictures. A map is a small grid of bytes, 255 where it is highest.

const FACE_CELLS = 160; // pixels of a drawn map; the browser scales it to its place
const LANDMARK_STROKES = [
  [0, 17], [17, 22], [22, 27], [27, 31], [31, 36], [36, 42, true], [42, 48, true], [48, 60, true], [60, 68, true],
];
const OUTLINE_COLOURS = ["#ffffff", "#ffd166", "#9be7ff", "#ff9ecb", "#d0d0d0"]; // eyes brows nose mouth face

let palette = null;

/** Weights of the four cells around a point between two cells, cubic as OpenCV's (a = -0.75). */
function cubicWeights(t) {
  const a = -0.75;
  const near = (x) => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = (x) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}

/** For each of `size` pixels: the four cells of `count` that it is made of, and their weights. */
function cubicPlan(count, size) {
  return Array.from({ length: size }, (_, pixel) => {
    const at = ((pixel + 0.5) * count) / size - 0.5; // centres are half-integers on both grids
    const low = Math.floor(at);
    const cells = [-1, 0, 1, 2].map((step) => Math.min(Math.max(low + step, 0), count - 1));
    return { cells, weights: cubicWeights(at - low) };
  });
}

/** Enlarge a map of rows x columns to size x size, smoothly; values stay in the range of a byte. */
function enlarge(cells, rows, columns, size) {
  const across = cubicPlan(columns, size);
  const down = cubicPlan(rows, size);
  const wide = new Float32Array(rows * size);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < size; x++) {
      const plan = across[x];
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += plan.weights[k] * cells[y * columns + plan.cells[k]];
      wide[y * size + x] = sum;
    }
  }
  const grown = new Uint8ClampedArray(size * size);
  for (let y = 0; y < size; y++) {
    const { cells: from, weights } = down[y];
    for (let x = 0; x < size; x++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += weights[k] * wide[from[k] * size + x];
      grown[y * size + x] = sum;
    }
  }
  return grown;
}

/** Paint a map in the page's colours; it covers the face less where it is low. */
function paintMap(context, map, size) {
  palette ??= readBytes("palette");
  const values = enlarge(map.cells, map.rows, map.columns, size);
  const picture = context.createImageData(size, size);
  for (let place = 0; place < values.length; place++) {
    const value = values[place];
    picture.data.set(palette.subarray(3 * value, 3 * value + 3), 4 * place);
    picture.data[4 * place + 3] = 110 + 0.57 * value;
  }
  context.putImageData(picture, 0, 0);
}

/** Draw the 68 points and the contours that they form; `points` are x, y in shares of the side. */
function drawPoints(context, points, size) {
  context.lineWidth = size / 160;
  context.strokeStyle = "rgba(255, 255, 255, .75)";
  for (const [first, end, closed] of LANDMARK_STROKES) {
    context.beginPath();
    for (let k = first; k < end; k++) context.lineTo(points[2 * k] * size, points[2 * k + 1] * size);
    if (closed) context.closePath();
    context.stroke();
  }
  context.fillStyle = "#ffc43d";
  for (let k = 0; k < points.length; k += 2) {
    context.beginPath();
    context.arc(points[k] * size, points[k + 1] * size, size / 110, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Draw the outlines of regions: polygons of a region's number and corners in shares of the side. */
function drawOutlines(context, outlines, size) {
  context.lineWidth = size / 120;
  context.lineJoin = "round";
  for (const { region, corners } of outlines) {
    context.strokeStyle = OUTLINE_COLOURS[region];
    context.beginPath();
    for (const [x, y] of corners) context.lineTo(x * size, y * size);
    context.closePath();
    context.stroke();
  }
}
