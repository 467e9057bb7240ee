// Map of a class on a photo: which parts raise its score. A map has rows of numbers; only positive ones are shown.
const LONG_SIDE_PX = 800;
const COLOR = [255, 120, 0];
const MOST = 0.75; // opacity of the largest value
const SHADE = "rgba(0, 0, 0, 0.5)";
const ROWS = ["upper", "middle", "lower"];
const COLUMNS = ["left", "middle", "right"];

// Draw the map over a photo of the image's shape; box is where it lies, as shares of the photo's width and height.
export function drawMap(canvas, image, rows, box) {
  const scale = Math.min(1, LONG_SIDE_PX / Math.max(image.naturalWidth, image.naturalHeight));
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  const context = canvas.getContext("2d");
  const [left, top, right, bottom] = box.map((share, at) => share * (at % 2 ? canvas.height : canvas.width));
  context.fillStyle = SHADE;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.clearRect(left, top, right - left, bottom - top);
  context.imageSmoothingQuality = "high";
  context.drawImage(cells(rows), left, top, right - left, bottom - top);
}

export function mapText(label, rows, box) {
  const place = placeOf(rows);
  const where = `Orange: parts that raise the score of ${label}, most of all in the ${place}.`;
  const most = place ? where : `No part raises the score of ${label}.`;
  const cropped = box[0] > 0.005 || box[1] > 0.005 || box[2] < 0.995 || box[3] < 0.995;
  return cropped ? `${most} The model gets the part that is not darkened.` : most;
}

// Where most of a map is, such as "upper left", in the part that the model gets; null if no value is positive.
function placeOf(rows) {
  const sums = ROWS.map(() => COLUMNS.map(() => 0));
  rows.forEach((row, y) => row.forEach((value, x) => {
    sums[third(y, rows.length)][third(x, row.length)] += Math.max(0, value);
  }));
  const largest = Math.max(...sums.flat());
  if (!(largest > 0)) return null;
  const y = sums.findIndex((row) => row.includes(largest));
  const x = sums[y].indexOf(largest);
  if (y === 1 && x === 1) return "middle";
  return `${ROWS[y]} ${COLUMNS[x]}`;
}

function third(at, count) {
  return Math.min(2, Math.floor((3 * (at + 0.5)) / count));
}

function cells(rows) {
  const small = document.createElement("canvas");
  small.width = rows[0].length;
  small.height = rows.length;
  const context = small.getContext("2d");
  const pixels = context.createImageData(small.width, small.height);
  const largest = Math.max(...rows.flat(), 1e-9);
  rows.flat().forEach((value, at) => {
    pixels.data.set([...COLOR, Math.round(255 * MOST * Math.max(0, value / largest))], 4 * at);
  });
  context.putImageData(pixels, 0, 0);
  return small;
}
