import assert from "node:assert/strict";
import { test } from "node:test";

import { rankClasses } from "../../../../export/web/page/answer.js";

const model = { classes: ["red", "green", "blue"], temperature: 2, threshold: 0.5 };

test("probabilities are the softmax of the logits divided by the temperature", () => {
  const { candidates } = rankClasses(Float32Array.of(0, 2, 4), model);
  const weights = [Math.exp(2), Math.exp(1), 1];
  const sum = weights[0] + weights[1] + weights[2];
  assert.deepEqual(candidates.map(({ label, index }) => [label, index]), [["blue", 2], ["green", 1], ["red", 0]]);
  candidates.forEach(({ probability }, rank) => assert.ok(Math.abs(probability - weights[rank] / sum) < 1e-12));
});

test("large logits do not overflow", () => {
  const { candidates } = rankClasses([1e4, 0, -1e4], model);
  assert.equal(candidates[0].probability, 1);
  assert.equal(candidates[2].probability, 0);
});

test("classes with the same probability are in the order of the model", () => {
  const { candidates } = rankClasses([1, 1, 1], model);
  assert.deepEqual(candidates.map(({ label }) => label), model.classes);
});

test("an answer has five classes, or fewer if asked", () => {
  const many = { classes: [..."abcdefgh"], temperature: 1, threshold: 0 };
  assert.equal(rankClasses([..."12345678"].map(Number), many).candidates.length, 5);
  assert.equal(rankClasses([..."12345678"].map(Number), many, 1).candidates.length, 1);
  assert.equal(rankClasses([1, 2, 3], model).candidates.length, 3);
});

test("an answer is uncertain only below the threshold", () => {
  const even = { classes: ["red", "green"], temperature: 1 };
  assert.equal(rankClasses([0, 0], { ...even, threshold: 0.5 }).uncertain, false);
  assert.equal(rankClasses([0, 0], { ...even, threshold: 0.51 }).uncertain, true);
});
