// Smaller copies of one photo: what is sent, and a thumbnail.

const LARGE_BYTES = 500000;
const LONG_SIDE_PX = 1600; // several times the side of any network's input
const THUMBNAIL_PX = 320;
const SHRINKABLE = ["image/jpeg", "image/heic", "image/heif"]; // others may have transparency or several frames

// Return what to send, and a thumbnail. A large photo of a phone is sent in a fraction of its bytes, without its metadata.
// If the browser can't decode a photo, the file itself is sent, and there is no thumbnail.
export async function prepared(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file); // upright: the orientation in the metadata is applied
    const thumbnail = await copy(bitmap, THUMBNAIL_PX, 0.8, "high");
    const large = file.size >= LARGE_BYTES && SHRINKABLE.includes(file.type);
    const wide = Math.max(bitmap.width, bitmap.height) > LONG_SIDE_PX;
    const smaller = large && wide ? await copy(bitmap, LONG_SIDE_PX, 0.92, "low") : null;
    return { smaller: smaller && smaller.size < file.size ? smaller : file, thumbnail };
  } catch {
    return { smaller: file, thumbnail: null };
  } finally {
    bitmap?.close();
  }
}

async function copy(bitmap, longSide, quality, smoothing) {
  const scale = Math.min(1, longSide / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = smoothing;
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const made = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
  canvas.width = 0; // frees its pixels now: phones limit those of all canvases together
  return made;
}
