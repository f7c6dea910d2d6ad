import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { resample, resamplingWeights, sourceRange } from "../../../../export/web/page/resample.js";

const casesFile = process.env.RESAMPLING_CASES;
const bytes = (base64) => Uint8Array.from(Buffer.from(base64, "base64"));

test("the result is Pillow's, bit for bit", { skip: !casesFile && "test_javascript.py makes the cases" }, () => {
  const cases = JSON.parse(readFileSync(casesFile, "utf8"));
  assert.ok(cases.length > 0);
  for (const { width, height, box: [left, top, right, bottom], size, interpolation, rgba, expected } of cases) {
    const columns = resamplingWeights(width, left, right, size, interpolation);
    const rows = resamplingWeights(height, top, bottom, size, interpolation);
    // The page reads only the part of the photo that the weights use.
    const [x, xEnd] = sourceRange(columns);
    const [y, yEnd] = sourceRange(rows);
    const photo = bytes(rgba);
    const part = new Uint8ClampedArray((xEnd - x) * (yEnd - y) * 4);
    for (let row = y; row < yEnd; row++) {
      part.set(photo.subarray((row * width + x) * 4, (row * width + xEnd) * 4), (row - y) * (xEnd - x) * 4);
    }
    assert.deepEqual(resample(part, xEnd - x, x, y, columns, rows), bytes(expected), `${width} × ${height} to ${size}`);
  }
});

test("the weights of each pixel add up to one", () => {
  for (const interpolation of ["bicubic", "bilinear"]) {
    for (const [length, size] of [[500, 16], [3, 16], [1, 8]]) {
      for (const { weights } of resamplingWeights(length, 0, length, size, interpolation)) {
        const sum = weights.reduce((total, weight) => total + weight, 0);
        assert.ok(Math.abs(sum - 2 ** 22) <= weights.length, `${interpolation}: ${length} to ${size}`);
      }
    }
  }
});

test("one colour stays that colour", () => {
  const [width, height, size] = [7, 5, 4];
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let index = 0; index < width * height; index++) {
    pixels.set([255, 0, 77, 255], 4 * index);
  }
  const columns = resamplingWeights(width, 0, width, size, "bicubic");
  const rows = resamplingWeights(height, 0, height, size, "bicubic");
  const expected = Array(size * size).fill([255, 0, 77]).flat();
  assert.deepEqual([...resample(pixels, width, 0, 0, columns, rows)], expected);
});
