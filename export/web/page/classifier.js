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

// A photo takes a second on a slow phone. A worker that has run out of memory may be ended without any event.
const LONGEST_WAIT_S = 60;

/** Classifies photos in a worker, one after another. */
export class Classifier {
  #worker = new Worker("worker.js", { type: "module" });
  #pending = new Map(); // The oldest photo first.
  #lastId = 0;
  #ready = false;
  #failure = null; // The error with which the worker ended.
  #timer;

  /**
   * @param onProgress called with (loaded, total) in bytes while the model is loading
   * @param onPreparing called when all files are loaded
   * @param onReady called with {threads, kept, milliseconds}; `kept` is true if the files are stored on this device
   * @param onFailure called with the reason if no photo can be classified, or none any more
   */
  constructor({ onProgress = () => {}, onPreparing = () => {}, onReady = () => {}, onFailure = () => {} }) {
    this.#worker.addEventListener("message", ({ data }) => {
      if (data.type === "progress") onProgress(data.loaded, data.total);
      else if (data.type === "preparing") onPreparing();
      else if (data.type === "ready") this.#start(() => onReady(data));
      else if (data.type === "failed" && data.id === null) this.#fail(data.message, onFailure);
      else this.#settle(data);
    });
    this.#worker.addEventListener("error", (event) => this.#fail(event.message || texts.scriptNotLoaded, onFailure));
  }

  /**
   * @param file {File} a photo
   * @returns {Promise<{candidates, verdict, familiarity, milliseconds}>} see `rankClasses` in answer.js
   * @throws {PhotoError} if the file is not a photo that this browser can open
   * @throws {Error} if the worker has failed, or does not answer
   */
  classify(file) {
    if (this.#failure) {
      return Promise.reject(this.#failure);
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#worker.postMessage({ id, file });
      this.#pending.set(id, { resolve, reject });
      this.#watch();
    });
  }

  #start(onReady) {
    this.#ready = true;
    this.#watch();
    onReady();
  }

  #settle({ type, id, answer, milliseconds, message, forPeople }) {
    const waiting = this.#pending.get(id);
    if (waiting === undefined) return; // The answer came too late.
    this.#pending.delete(id);
    this.#watch();
    if (type === "answer") waiting.resolve({ ...answer, milliseconds });
    else waiting.reject(forPeople ? new PhotoError(message) : new Error(message));
  }

  #fail(reason, onFailure) {
    this.#failure = new Error(reason);
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
    this.#watch();
    onFailure(reason);
  }

  /** Wait for the next message anew. Loading has no limit: it takes as long as the network needs. */
  #watch() {
    clearTimeout(this.#timer);
    if (!this.#ready || this.#pending.size === 0) return;
    this.#timer = setTimeout(() => {
      const [id] = this.#pending.keys();
      this.#settle({ type: "failed", id, message: texts.noAnswer(LONGEST_WAIT_S) });
    }, 1000 * LONGEST_WAIT_S);
  }
}
