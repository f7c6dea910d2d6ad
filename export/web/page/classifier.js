// The page's interface to worker.js.

import { PhotoError } from "./photo.js";
import { texts } from "./texts.js";

// A WebAssembly module whose only function uses a vector instruction: i32.const 0; i8x16.splat; i8x16.popcnt.
const SIMD_MODULE = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
);

/** @returns {string[]} the names of the features that the page needs and this browser lacks */
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

/** Classifies photos in a worker, one after another. */
export class Classifier {
  #worker = new Worker("worker.js", { type: "module" });
  #pending = new Map();
  #lastId = 0;

  /**
   * @param onProgress called with (loaded, total) in bytes while the model is loading
   * @param onPreparing called when all files are loaded
   * @param onReady called with {threads, kept, milliseconds}; `kept` is true if the files are stored on this device
   * @param onFailure called with the reason if the model cannot be loaded
   */
  constructor({ onProgress = () => {}, onPreparing = () => {}, onReady = () => {}, onFailure = () => {} }) {
    this.#worker.addEventListener("message", ({ data }) => {
      if (data.type === "progress") onProgress(data.loaded, data.total);
      else if (data.type === "preparing") onPreparing();
      else if (data.type === "ready") onReady(data);
      else if (data.type === "failed" && data.id === null) onFailure(data.message);
      else this.#settle(data);
    });
    this.#worker.addEventListener("error", (event) => onFailure(event.message || texts.scriptNotLoaded));
  }

  /**
   * @param file {File} a photo
   * @returns {Promise<{candidates, verdict, familiarity, milliseconds}>} see `rankClasses` in answer.js
   * @throws {PhotoError} if the file is not a photo that this browser can open
   */
  classify(file) {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, file });
    });
  }

  #settle({ type, id, answer, milliseconds, message, forPeople }) {
    const { resolve, reject } = this.#pending.get(id);
    this.#pending.delete(id);
    if (type === "answer") resolve({ ...answer, milliseconds });
    else reject(forPeople ? new PhotoError(message) : new Error(message));
  }
}
