// From a file to the network's input, as runtime/preprocessing.py does it: the centred square, resampled.

import { coefficients, extent, resample } from "./resample.js";

const MAX_FILE_BYTES = 128 * 1024 ** 2;
const MAX_PIXELS = 120_000_000;
const STRIP_PIXELS = 1024 ** 2;

/** A photo that cannot be read; its message is for people. */
export class PhotoError extends Error {}

/** @returns {Promise<Uint8Array>} RGB, size × size, row by row */
export async function readPhoto(file, preprocessing) {
  const bitmap = await decode(file);
  try {
    return squareOf(bitmap, preprocessing);
  } finally {
    bitmap.close();
  }
}

/** @throws {PhotoError} if decoding so many pixels could take all of a phone's memory */
export function refuseHuge(width, height) {
  if (width * height > MAX_PIXELS) {
    throw new PhotoError("This photo has more than 120 megapixels. Choose a smaller one.");
  }
}

async function decode(file) {
  if (file.size > MAX_FILE_BYTES) {
    throw new PhotoError("This file is larger than 128 MB. Choose a smaller photo.");
  }
  let bitmap;
  try {
    // Upright, which is the default; and with the file's own numbers, without colour management: Pillow reads them so.
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    if (/\.hei[cf]$/i.test(file.name ?? "") || /hei[cf]/.test(file.type)) {
      throw new PhotoError("This browser cannot open HEIC photos. Save it as JPEG, or choose another.");
    }
    throw new PhotoError("This file is no photo, or is damaged. Choose a JPEG, PNG or WebP picture.");
  }
  try {
    refuseHuge(bitmap.width, bitmap.height);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  return bitmap;
}

function squareOf(bitmap, { size, crop_pct: cropPct, interpolation }) {
  const reduction = reductionOf(bitmap, Math.ceil((2 * size) / cropPct));
  const width = Math.ceil(bitmap.width / reduction);
  const height = Math.ceil(bitmap.height / reduction);
  const side = Math.min(width, height) * cropPct;
  const [x, y] = [(width - side) / 2, (height - side) / 2];
  const columns = coefficients(width, x, x + side, size, interpolation);
  const rows = coefficients(height, y, y + side, size, interpolation);
  const [left, right] = extent(columns);
  const [top, bottom] = extent(rows);
  const pixels = reduction === 1
    ? read(bitmap, left, top, right - left, bottom - top)
    : readReduced(bitmap, reduction, left, top, right - left, bottom - top);
  return resample(pixels, right - left, left, top, columns, rows);
}

/** By how much a large photo is halved first: Pillow's rule for JPEG (JpegImagePlugin.draft). It bounds memory, too. */
function reductionOf({ width, height }, leastSide) {
  const scale = leastSide / Math.min(width, height);
  const times = Math.min(
    Math.floor(width / Math.ceil(width * scale)),
    Math.floor(height / Math.ceil(height * scale)),
  );
  return [8, 4, 2].find((reduction) => times >= reduction) ?? 1;
}

/** RGBA bytes of a region; what is transparent lies on white. */
function read(bitmap, left, top, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, -left, -top);
  return context.getImageData(0, 0, width, height).data;
}

/** As `read`, each pixel the mean of a block of the photo's; in strips, so that no copy of the whole is ever held. */
function readReduced(bitmap, reduction, left, top, width, height) {
  const reduced = new Uint8ClampedArray(width * height * 4).fill(255);
  const stripRows = Math.max(1, Math.floor(STRIP_PIXELS / (width * reduction * reduction)));
  // The last block of a side may be narrower than the others.
  const sourceWidth = Math.min(width * reduction, bitmap.width - left * reduction);
  for (let start = 0; start < height; start += stripRows) {
    const y = (top + start) * reduction;
    const sourceHeight = Math.min(stripRows * reduction, (height - start) * reduction, bitmap.height - y);
    const strip = read(bitmap, left * reduction, y, sourceWidth, sourceHeight);
    const rowsHere = Math.min(stripRows, height - start);
    meanOfBlocks(strip, sourceWidth, sourceHeight, reduction, reduced, width, start, rowsHere);
  }
  return reduced;
}

function meanOfBlocks(source, sourceWidth, sourceHeight, reduction, target, width, startRow, rowCount) {
  for (let row = 0; row < rowCount; row++) {
    const yEnd = Math.min((row + 1) * reduction, sourceHeight);
    for (let column = 0; column < width; column++) {
      const xEnd = Math.min((column + 1) * reduction, sourceWidth);
      let [red, green, blue, count] = [0, 0, 0, 0];
      for (let y = row * reduction; y < yEnd; y++) {
        for (let x = column * reduction; x < xEnd; x++) {
          const at = (y * sourceWidth + x) * 4;
          red += source[at];
          green += source[at + 1];
          blue += source[at + 2];
          count++;
        }
      }
      const to = ((startRow + row) * width + column) * 4;
      target[to] = red / count;
      target[to + 1] = green / count;
      target[to + 2] = blue / count;
    }
  }
}
