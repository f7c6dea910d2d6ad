// From logits to the answer that the page shows; the same calculation as in runtime/answer.py.

/**
 * Rank the classes by their probability: softmax of the logits divided by the model's temperature.
 *
 * @param logits {ArrayLike<number>} the network's output for one photo, one number for each class
 * @param model the content of model.json
 * @param top {number} how many classes to return
 * @returns {{candidates: {label: string, index: number, probability: number}[], uncertain: boolean}} the most probable
 *   classes, the best first; `uncertain` is true if even the best is below the model's threshold
 */
export function rankClasses(logits, { classes, temperature, threshold }, top = 5) {
  const highest = Math.max(...logits);
  const weights = Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const candidates = classes.map((label, index) => ({ label, index, probability: weights[index] / sum }));
  candidates.sort((one, other) => other.probability - one.probability || one.index - other.index);
  return { candidates: candidates.slice(0, top), uncertain: candidates[0].probability < threshold };
}
