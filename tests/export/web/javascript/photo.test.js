import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  averageBlocks, chooseReduction, PhotoError, readPhoto, rejectHugePhoto,
} from "../../../../export/web/page/photo.js";

const casesFile = process.env.REDUCTION_CASES;

test("photos are reduced as Pillow reduces JPEG", { skip: !casesFile && "test_javascript.py makes the cases" }, () => {
  const cases = JSON.parse(readFileSync(casesFile, "utf8"));
  assert.ok(cases.length > 0);
  for (const { width, height, minimum_side: minimumSide, reduction } of cases) {
    assert.equal(chooseReduction({ width, height }, minimumSide), reduction, `${width} × ${height}, ${minimumSide}`);
  }
});

test("small photos are not reduced", () => {
  assert.equal(chooseReduction({ width: 1, height: 1 }, 512), 1);
  assert.equal(chooseReduction({ width: 1023, height: 5000 }, 512), 1);
  assert.equal(chooseReduction({ width: 1024, height: 5000 }, 512), 2);
});

test("a block becomes its mean, also at the borders", () => {
  const [width, height] = [3, 3];
  const source = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let index = 0; index < width * height; index++) {
    source.set([10 * index, index, 100], 4 * index);
  }
  const target = new Uint8ClampedArray(2 * 3 * 4).fill(255);
  averageBlocks(source, width, height, 2, target, 2, 1, 2); // into the second and third row
  assert.deepEqual([...target.slice(0, 8)], Array(8).fill(255));
  assert.deepEqual([...target.slice(8)], [20, 2, 100, 255, 35, 4, 100, 255, 65, 6, 100, 255, 80, 8, 100, 255]);
});

test("huge photos are rejected", () => {
  assert.equal(rejectHugePhoto(12_000, 10_000), undefined);
  assert.throws(() => rejectHugePhoto(12_001, 10_000), PhotoError);
});

test("large files are rejected before they are decoded", async () => {
  const file = { size: 128 * 1024 ** 2 + 1, name: "photo.jpg", type: "image/jpeg" };
  await assert.rejects(readPhoto(file, {}), (error) => error instanceof PhotoError && /128 MB/.test(error.message));
});

test("HEIC has its own message if the browser cannot decode it", async (context) => {
  globalThis.createImageBitmap = context.mock.fn(() => Promise.reject(new Error("cannot decode")));
  const messageFor = async (name, type) => {
    try {
      await readPhoto({ size: 1, name, type }, {});
    } catch (error) {
      assert.ok(error instanceof PhotoError);
      return error.message;
    }
    return assert.fail("no error");
  };
  assert.match(await messageFor("IMG_1.HEIC", ""), /HEIC/);
  assert.match(await messageFor("photo", "image/heif"), /HEIC/);
  assert.doesNotMatch(await messageFor("text.txt", "text/plain"), /HEIC/);
  delete globalThis.createImageBitmap;
});
