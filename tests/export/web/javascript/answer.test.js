import assert from "node:assert/strict";
import { test } from "node:test";

import { describeAnswer, rankClasses } from "../../../../export/web/page/answer.js";
import { language, texts } from "../../../../export/web/page/texts.js";

const model = { classes: ["red", "green", "blue"], temperature: 2, threshold: 0.5 };

test("probabilities are the softmax of the logits divided by the temperature", () => {
  const { candidates } = rankClasses(Float32Array.of(0, 2, 4), null, model);
  const weights = [Math.exp(2), Math.exp(1), 1];
  const sum = weights[0] + weights[1] + weights[2];
  assert.deepEqual(candidates.map(({ label, index }) => [label, index]), [["blue", 2], ["green", 1], ["red", 0]]);
  candidates.forEach(({ probability }, rank) => assert.ok(Math.abs(probability - weights[rank] / sum) < 1e-12));
});

test("names are those of the language of the page", () => {
  const names = { [language]: ["Rot", "Grün", "Blau"] };
  const { candidates } = rankClasses([3, 2, 1], null, { ...model, names });
  assert.deepEqual(candidates.map(({ label, name }) => [label, name]), [["red", "Rot"], ["green", "Grün"], ["blue", "Blau"]]);
  assert.equal(rankClasses([3, 2, 1], null, { ...model, names: { xx: names[language] } }).candidates[0].name, "red");
});

test("large logits do not overflow", () => {
  const { candidates } = rankClasses([1e4, 0, -1e4], null, model);
  assert.equal(candidates[0].probability, 1);
  assert.equal(candidates[2].probability, 0);
});

test("classes with the same probability are in the order of the model", () => {
  const { candidates } = rankClasses([1, 1, 1], null, model);
  assert.deepEqual(candidates.map(({ label }) => label), model.classes);
});

test("an answer has five classes, or fewer if asked", () => {
  const many = { classes: [..."abcdefgh"], temperature: 1, threshold: 0 };
  assert.equal(rankClasses([..."12345678"].map(Number), null, many).candidates.length, 5);
  assert.equal(rankClasses([..."12345678"].map(Number), null, many, 1).candidates.length, 1);
  assert.equal(rankClasses([1, 2, 3], null, model).candidates.length, 3);
});

test("an answer is a name from both thresholds up", () => {
  const even = { classes: ["red", "green"], temperature: 1, familiarity_threshold: 0.25 };
  const verdict = (threshold, familiarity) => rankClasses([0, 0], familiarity, { ...even, threshold }).verdict;
  assert.equal(verdict(0.5, 0.25), "name");
  assert.equal(verdict(0.51, 0.25), "between");
  assert.equal(verdict(0.5, 0.24), "unfamiliar");
  assert.equal(verdict(0.51, 0.24), "unfamiliar");
});

test("a model without familiarity finds nothing unfamiliar", () => {
  const even = { classes: ["red", "green"], temperature: 1, familiarity_threshold: 0 };
  assert.equal(rankClasses([0, 0], null, { ...even, threshold: 0.5 }).verdict, "name");
  const answer = rankClasses([0, 0], null, { ...even, threshold: 0.51 });
  assert.deepEqual([answer.verdict, answer.familiarity], ["between", null]);
});

test("an answer in words is a name, two names, or not like any flower", () => {
  const candidates = [{ name: "rose" }, { name: "fern" }, { name: "iris" }];
  const words = (verdict, familiarity, shown = candidates) => {
    const { headline, advice } = describeAnswer({ candidates: shown, verdict, familiarity });
    return [headline, advice];
  };
  assert.deepEqual(words("name", 0.5), ["rose", ""]);
  assert.deepEqual(words("between", 0.5), [texts.between("rose", "fern"), texts.betweenAdvice]);
  assert.deepEqual(words("unfamiliar", 0.1), [texts.unfamiliar, texts.unfamiliarAdvice]);
  assert.deepEqual(words("between", null), [texts.notSure, texts.notSureAdvice]);
  assert.deepEqual(words("between", 0.5, [{ name: "rose" }]), [texts.notSure, texts.notSureAdvice]);
});
