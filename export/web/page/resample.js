// Pillow's resampling (src/libImaging/Resample.c), with the same result bit for bit: the network was trained and measured
// on Pillow's output. (For photos that are much taller than wide, newer versions of Pillow do the vertical pass first, which
// can change the rounding.)
//
// There is a horizontal and a vertical pass. Each output pixel is a weighted mean of the pixels under a filter, which gets
// wider when the photo shrinks. Weights are integers with 22 fractional bits, and each pass rounds to bytes.

const PRECISION_BITS = 32 - 8 - 2;
const ONE = 2 ** PRECISION_BITS;
const HALF = 2 ** (PRECISION_BITS - 1);

function bicubic(x) {
  const a = -0.5;
  const distance = Math.abs(x);
  if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * a;
  return 0;
}

function bilinear(x) {
  const distance = Math.abs(x);
  return distance < 1 ? 1 - distance : 0;
}

const FILTERS = { bicubic: { weight: bicubic, support: 2 }, bilinear: { weight: bilinear, support: 1 } };

/**
 * The weights along one side.
 *
 * @param length {number} of the photo along this side, in pixels
 * @param start, end {number} the part of the side that becomes the output, in pixels; fractions are allowed
 * @param size {number} of the output, in pixels
 * @param interpolation {"bicubic" | "bilinear"}
 * @returns {{first: number, weights: Int32Array}[]} for each output pixel, the first source pixel and the weights of the
 *   source pixels from there on
 */
export function resamplingWeights(length, start, end, size, interpolation) {
  const { weight, support } = FILTERS[interpolation];
  const from = Math.fround(start); // Pillow stores the box as 32-bit floats.
  const scale = Math.fround(Math.fround(end) - from) / size;
  const filterScale = Math.max(scale, 1);
  const reach = support * filterScale;
  const rows = [];
  for (let index = 0; index < size; index++) {
    const centre = from + (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(length, Math.trunc(centre + reach + 0.5));
    const weights = [];
    for (let pixel = first; pixel < last; pixel++) {
      weights.push(weight((pixel - centre + 0.5) * (1 / filterScale)));
    }
    const sum = weights.reduce((total, value) => total + value, 0);
    const whole = weights.map((value) => {
      const scaled = (sum === 0 ? value : value / sum) * ONE;
      return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    });
    rows.push({ first, weights: Int32Array.from(whole) });
  }
  return rows;
}

/** @returns {[number, number]} the first source pixel that the weights use, and the one after the last */
export function sourceRange(rows) {
  return [
    Math.min(...rows.map((row) => row.first)),
    Math.max(...rows.map((row) => row.first + row.weights.length)),
  ];
}

/**
 * Both passes, from RGBA to RGB.
 *
 * @param pixels {Uint8ClampedArray} RGBA of the region of the photo that the weights use
 * @param width {number} of the region, in pixels
 * @param left, top {number} position of the region in the photo, in pixels
 * @param columns, rows results of `resamplingWeights` for the two sides
 * @returns {Uint8Array} RGB, row by row
 */
export function resample(pixels, width, left, top, columns, rows) {
  const size = columns.length;
  const height = pixels.length / 4 / width;
  const narrow = new Uint8ClampedArray(size * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < size; x++) {
      const { first, weights } = columns[x];
      let index = (y * width + first - left) * 4;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (let tap = 0; tap < weights.length; tap++, index += 4) {
        red += pixels[index] * weights[tap];
        green += pixels[index + 1] * weights[tap];
        blue += pixels[index + 2] * weights[tap];
      }
      const target = (y * size + x) * 3;
      narrow[target] = red >> PRECISION_BITS;
      narrow[target + 1] = green >> PRECISION_BITS;
      narrow[target + 2] = blue >> PRECISION_BITS;
    }
  }
  const stride = size * 3;
  const square = new Uint8ClampedArray(rows.length * stride);
  for (let y = 0; y < rows.length; y++) {
    const { first, weights } = rows[y];
    for (let x = 0; x < stride; x++) {
      let sum = HALF;
      for (let tap = 0, index = (first - top) * stride + x; tap < weights.length; tap++, index += stride) {
        sum += narrow[index] * weights[tap];
      }
      square[y * stride + x] = sum >> PRECISION_BITS;
    }
  }
  return new Uint8Array(square.buffer);
}
