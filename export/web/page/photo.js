// From a file to the network's input: the centre square of the photo, resampled, as in
// runtime/photos/preprocessing.py.

import { resample, resamplingWeights, sourceRange } from "./resample.js";
import { texts } from "./texts.js";

const MAX_FILE_MEGABYTES = 128;
const MAX_MEGAPIXELS = 120;
const STRIP_PIXELS = 1024 ** 2;
// Resolution that a reduced photo keeps, as a multiple of the network's: of a JPEG that of KEPT_RESOLUTION in
// runtime/photos/preprocessing.py. Pillow reduces no photos of other formats; here that saves memory.
const KEPT_RESOLUTION_OF_JPEG = 1.2;
const KEPT_RESOLUTION = 2;

/** A photo that cannot be read. The message is shown as it is. */
export class PhotoError extends Error {}

/**
 * @param file {File} a photo in any format that the browser can decode
 * @param preprocessing `preprocessing` in model.json
 * @returns {Promise<Uint8Array>} RGB, size × size pixels, row by row
 * @throws {PhotoError} if the file is too large or not a photo
 */
export async function readPhoto(file, preprocessing) {
  const bitmap = await decode(file);
  try {
    const kept = await isJpeg(file) ? KEPT_RESOLUTION_OF_JPEG : KEPT_RESOLUTION;
    return cropSquare(bitmap, preprocessing, kept);
  } finally {
    bitmap.close();
  }
}

/** @throws {PhotoError} if the photo has so many pixels that decoding it could use all of a phone's memory */
export function rejectHugePhoto(width, height) {
  if (width * height > MAX_MEGAPIXELS * 1e6) {
    throw new PhotoError(texts.photoTooLarge(MAX_MEGAPIXELS));
  }
}

/**
 * How much a large photo is reduced before it is resampled: Pillow's rule for JPEG (JpegImagePlugin.draft). This limits
 * the memory that resampling needs.
 *
 * @param size {{width: number, height: number}} of the photo
 * @param minimumSide {number} pixels that the shorter side must keep
 * @returns {number} 1, 2, 4 or 8: the side of the block of pixels that becomes one pixel
 */
export function chooseReduction({ width, height }, minimumSide) {
  const scale = minimumSide / Math.min(width, height);
  const largest = Math.min(
    Math.floor(width / Math.ceil(width * scale)),
    Math.floor(height / Math.ceil(height * scale)),
  );
  return [8, 4, 2].find((reduction) => largest >= reduction) ?? 1;
}

/**
 * Write the mean of each block of reduction × reduction pixels. Blocks at the right and lower border may be smaller.
 *
 * @param source {Uint8ClampedArray} RGBA
 * @param sourceWidth, sourceHeight {number} its size in pixels
 * @param reduction {number} side of a block in pixels
 * @param target {Uint8ClampedArray} RGBA; alpha is not written
 * @param width {number} of `target` in pixels
 * @param startRow, rowCount {number} the rows of `target` to write
 */
export function averageBlocks(source, sourceWidth, sourceHeight, reduction, target, width, startRow, rowCount) {
  for (let row = 0; row < rowCount; row++) {
    const yEnd = Math.min((row + 1) * reduction, sourceHeight);
    for (let column = 0; column < width; column++) {
      const xEnd = Math.min((column + 1) * reduction, sourceWidth);
      let [red, green, blue, count] = [0, 0, 0, 0];
      for (let y = row * reduction; y < yEnd; y++) {
        for (let x = column * reduction; x < xEnd; x++) {
          const index = (y * sourceWidth + x) * 4;
          red += source[index];
          green += source[index + 1];
          blue += source[index + 2];
          count++;
        }
      }
      const index = ((startRow + row) * width + column) * 4;
      target[index] = red / count;
      target[index + 1] = green / count;
      target[index + 2] = blue / count;
    }
  }
}

async function decode(file) {
  if (file.size > MAX_FILE_MEGABYTES * 1024 ** 2) {
    throw new PhotoError(texts.fileTooLarge(MAX_FILE_MEGABYTES));
  }
  let bitmap;
  try {
    // The browser turns the photo upright. Without colour management, as in Pillow, it returns the file's own values.
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    const isHeic = /\.hei[cf]$/i.test(file.name ?? "") || /hei[cf]/.test(file.type);
    throw new PhotoError(isHeic ? texts.heicNotSupported : texts.photoNotReadable);
  }
  try {
    rejectHugePhoto(bitmap.width, bitmap.height);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  return bitmap;
}

async function isJpeg(file) {
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return start[0] === 0xff && start[1] === 0xd8;
}

function cropSquare(bitmap, { size, crop_pct: cropPct, interpolation }, keptResolution) {
  const reduction = chooseReduction(bitmap, Math.ceil((keptResolution * size) / cropPct));
  const width = Math.ceil(bitmap.width / reduction);
  const height = Math.ceil(bitmap.height / reduction);
  const side = Math.min(width, height) * cropPct;
  const [x, y] = [(width - side) / 2, (height - side) / 2];
  const columns = resamplingWeights(width, x, x + side, size, interpolation);
  const rows = resamplingWeights(height, y, y + side, size, interpolation);
  const [left, right] = sourceRange(columns);
  const [top, bottom] = sourceRange(rows);
  const pixels = reduction === 1
    ? readPixels(bitmap, left, top, right - left, bottom - top)
    : readReducedPixels(bitmap, reduction, left, top, right - left, bottom - top);
  return resample(pixels, right - left, left, top, columns, rows);
}

/** @returns {Uint8ClampedArray} RGBA of a region; transparent parts are drawn on white */
function readPixels(bitmap, left, top, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, -left, -top);
  return context.getImageData(0, 0, width, height).data;
}

/**
 * Like `readPixels`, for a region of the reduced photo. It reads strips of the photo, so that it never needs memory for a
 * copy of the whole.
 */
function readReducedPixels(bitmap, reduction, left, top, width, height) {
  const reduced = new Uint8ClampedArray(width * height * 4).fill(255);
  const stripRows = Math.max(1, Math.floor(STRIP_PIXELS / (width * reduction * reduction)));
  // The last block of a side may be narrower than the others.
  const sourceWidth = Math.min(width * reduction, bitmap.width - left * reduction);
  for (let start = 0; start < height; start += stripRows) {
    const y = (top + start) * reduction;
    const sourceHeight = Math.min(stripRows * reduction, (height - start) * reduction, bitmap.height - y);
    const strip = readPixels(bitmap, left * reduction, y, sourceWidth, sourceHeight);
    const rowCount = Math.min(stripRows, height - start);
    averageBlocks(strip, sourceWidth, sourceHeight, reduction, reduced, width, start, rowCount);
  }
  return reduced;
}
