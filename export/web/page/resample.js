// Pillow's resampling (src/libImaging/Resample.c), to the bit: the network was trained and measured on what it makes.
// (For photos much taller than wide, newer versions of Pillow begin with the other pass, which differs by a rounding.)
//
// Each pass weighs the pixels under a filter that widens when it shrinks; weights are whole numbers of 22 bits after the
// point, and every pass rounds to bytes.

const PRECISION_BITS = 32 - 8 - 2;
const ONE = 2 ** PRECISION_BITS;
const HALF = 2 ** (PRECISION_BITS - 1);

function bicubic(x) {
  const a = -0.5;
  x = Math.abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function bilinear(x) {
  x = Math.abs(x);
  return x < 1 ? 1 - x : 0;
}

const FILTERS = { bicubic: { weight: bicubic, support: 2 }, bilinear: { weight: bilinear, support: 1 } };

/**
 * For each of `size` pixels along one side: which pixels it is made of, and their weights.
 * @param length of the photo along this side
 * @param start, end of what becomes the `size` pixels; may be fractions
 */
export function coefficients(length, start, end, size, interpolation) {
  const { weight, support } = FILTERS[interpolation];
  const from = Math.fround(start); // Pillow takes the box as 32-bit floats.
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

/** The pixels from the first to behind the last that coefficients refer to. */
export function extent(rows) {
  return [
    Math.min(...rows.map((row) => row.first)),
    Math.max(...rows.map((row) => row.first + row.weights.length)),
  ];
}

/**
 * Both passes, from RGBA to RGB.
 * @param pixels RGBA bytes of the region of the photo that `columns` and `rows` refer to, its width in pixels `width`
 * @param columns, rows coefficients; `left` and `top` are where the region lies in the photo
 */
export function resample(pixels, width, left, top, columns, rows) {
  const size = columns.length;
  const height = pixels.length / 4 / width;
  const narrow = new Uint8ClampedArray(size * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < size; x++) {
      const { first, weights } = columns[x];
      let at = (y * width + first - left) * 4;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (let tap = 0; tap < weights.length; tap++, at += 4) {
        red += pixels[at] * weights[tap];
        green += pixels[at + 1] * weights[tap];
        blue += pixels[at + 2] * weights[tap];
      }
      const to = (y * size + x) * 3;
      narrow[to] = red >> PRECISION_BITS;
      narrow[to + 1] = green >> PRECISION_BITS;
      narrow[to + 2] = blue >> PRECISION_BITS;
    }
  }
  const stride = size * 3;
  const square = new Uint8ClampedArray(rows.length * stride);
  for (let y = 0; y < rows.length; y++) {
    const { first, weights } = rows[y];
    for (let x = 0; x < stride; x++) {
      let sum = HALF;
      for (let tap = 0, at = (first - top) * stride + x; tap < weights.length; tap++, at += stride) {
        sum += narrow[at] * weights[tap];
      }
      square[y * stride + x] = sum >> PRECISION_BITS;
    }
  }
  return new Uint8Array(square.buffer);
}
