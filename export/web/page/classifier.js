// The page's side of the classifying worker.

import { PhotoError } from "./photo.js";

// A module whose one function uses a vector instruction: i32.const 0; i8x16.splat; i8x16.popcnt.
const SIMD_MODULE = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
);

/** What this browser lacks to run the network, in words; empty if nothing. */
export function missingFeatures() {
  const features = {
    "WebAssembly": () => typeof WebAssembly === "object",
    "WebAssembly SIMD": () => typeof WebAssembly === "object" && WebAssembly.validate(SIMD_MODULE),
    "web workers": () => typeof Worker === "function",
    "OffscreenCanvas": () => typeof OffscreenCanvas === "function",
    "createImageBitmap": () => typeof createImageBitmap === "function",
    "DecompressionStream": () => typeof DecompressionStream === "function",
  };
  return Object.keys(features).filter((name) => !features[name]());
}

/** Classifies one photo after another in a worker. */
export class Classifier {
  #worker = new Worker("worker.js", { type: "module" });
  #waiting = new Map();
  #photos = 0;

  /**
   * @param onProgress told (loaded, total) in bytes
   * @param onPreparing told when all has arrived
   * @param onReady told {threads, kept, milliseconds}
   * @param onBroken told when nothing can be classified any more, with the reason
   */
  constructor({ onProgress = () => {}, onPreparing = () => {}, onReady = () => {}, onBroken = () => {} }) {
    this.#worker.addEventListener("message", ({ data }) => {
      if (data.type === "progress") onProgress(data.loaded, data.total);
      else if (data.type === "preparing") onPreparing();
      else if (data.type === "ready") onReady(data);
      else if (data.type === "failed" && data.id === null) onBroken(data.message);
      else this.#settle(data);
    });
    this.#worker.addEventListener("error", (event) => onBroken(event.message || "a script could not be loaded"));
  }

  /** @returns {Promise<{candidates, uncertain, milliseconds}>} */
  classify(file) {
    const id = ++this.#photos;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, file });
    });
  }

  #settle({ type, id, answer, milliseconds, message, forPeople }) {
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (type === "answer") resolve({ ...answer, milliseconds });
    else reject(forPeople ? new PhotoError(message) : new Error(message));
  }
}
