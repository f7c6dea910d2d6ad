// From logits to what the page shows, as runtime/answer.py does it.

/**
 * @param logits of one photo
 * @param model model.json
 * @returns the most probable classes, the best first, and whether even the best is below the model's threshold
 */
export function answer(logits, { classes, temperature, threshold }, top = 5) {
  const highest = Math.max(...logits);
  const weights = Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const candidates = classes.map((label, index) => ({ label, index, probability: weights[index] / sum }));
  candidates.sort((one, other) => other.probability - one.probability || one.index - other.index);
  return { candidates: candidates.slice(0, top), uncertain: candidates[0].probability < threshold };
}
