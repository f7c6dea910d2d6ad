// From the network's outputs to the answer that the page shows; the same calculation as in runtime/answers/answer.py.

import { language, texts } from "./texts.js";

/**
 * Rank the classes by their probability: softmax of the logits divided by the model's temperature.
 *
 * @param logits {ArrayLike<number>} the network's output for one photo, one number for each class
 * @param familiarity {number | null} the network's second output; null if the model has none
 * @param model the content of model.json
 * @param top {number} how many classes to return
 * @returns {{candidates: {label: string, name: string, index: number, probability: number}[], verdict: string,
 *   familiarity}} the most probable classes, the best first, and the verdict: "name"; "between" if even the best is below the model's
 *   threshold; "unfamiliar" if the familiarity is below its threshold
 */
export function rankClasses(logits, familiarity, model, top = 5) {
  const { classes, temperature } = model;
  const highest = Math.max(...logits);
  const weights = Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const names = model.names?.[language] ?? classes; // a model of other classes has no names in languages
  const candidates = classes.map((label, index) => (
    { label, name: names[index], index, probability: weights[index] / sum }
  ));
  candidates.sort((one, other) => other.probability - one.probability || one.index - other.index);
  const verdict = findVerdict(candidates[0].probability, familiarity, model);
  return { candidates: candidates.slice(0, top), verdict, familiarity };
}

function findVerdict(probability, familiarity, { threshold, familiarity_threshold: smallest }) {
  if (familiarity !== null && familiarity < smallest) {
    return "unfamiliar";
  }
  return probability < threshold ? "between" : "name";
}

/**
 * Put an answer of `rankClasses` into words.
 *
 * @returns {{headline: string, advice: string}} what the photo shows, and what to do if that is no name
 */
export function describeAnswer({ candidates: [best, second], verdict, familiarity }) {
  if (verdict === "name") {
    return { headline: best.name, advice: "" };
  }
  if (verdict === "unfamiliar") {
    return { headline: texts.unfamiliar, advice: texts.unfamiliarAdvice };
  }
  // Without the familiarity, a low probability can also mean that the photo shows no flower.
  if (familiarity === null || second === undefined) {
    return { headline: texts.notSure, advice: texts.notSureAdvice };
  }
  return { headline: texts.between(best.name, second.name), advice: texts.betweenAdvice };
}
