// The classifying worker. All slow work is done here, so that the page stays responsive.
//
// Messages to the page: {type: "progress", loaded, total}, {type: "preparing"}, {type: "ready", threads, kept,
// milliseconds}, {type: "answer", id, answer, milliseconds}, {type: "failed", id, message, forPeople}; `id` is null if the
// model cannot be loaded. Messages from the page: {id, file}.

import "./storage.js";
import { rankClasses } from "./answer.js";
import * as ort from "./ort.wasm.min.mjs";
import { PhotoError, readPhoto } from "./photo.js";
import { texts } from "./texts.js";

const { storage } = self;
const MAX_THREADS = 4; // Phones have two to four fast cores. More threads only wait for those on slow cores.

const started = performance.now();
const opened = open();
opened.catch((error) => reportFailure(null, error));

// Photos are classified one after another, in the order in which they arrive.
let queue = opened.catch(() => {});
self.addEventListener("message", ({ data: { id, file } }) => {
  queue = queue.then(() => classify(id, file)).catch((error) => reportFailure(id, error));
});

/** Load the model and onnxruntime-web. */
async function open() {
  const response = await fetch("model.json", { cache: "no-cache" });
  if (!response.ok) {
    throw new storage.LoadError("model.json", response.status);
  }
  const model = await response.json();
  const entries = [model.files.model, model.files.wasm];
  const total = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  let loaded = 0;
  const onBytes = (bytes) => {
    loaded += bytes;
    self.postMessage({ type: "progress", loaded: Math.min(loaded, total), total });
  };
  const [network, wasm] = await Promise.all(entries.map((entry) => storage.load(entry, onBytes)));
  self.postMessage({ type: "preparing" });
  const threads = self.crossOriginIsolated ? Math.min(MAX_THREADS, navigator.hardwareConcurrency || 1) : 1;
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = wasm.content;
  const session = await ort.InferenceSession.create(new Uint8Array(network.content), {
    executionProviders: ["wasm"],
  });
  const kept = network.kept && wasm.kept;
  self.postMessage({ type: "ready", threads, kept, milliseconds: performance.now() - started });
  const size = model.preprocessing.size;
  await run(session, model, new Uint8Array(size * size * 3)); // The first run is the slowest, so it is done before a photo comes.
  return { session, model };
}

async function classify(id, file) {
  const { session, model } = await opened;
  const begin = performance.now();
  const pixels = await readPhoto(file, model.preprocessing);
  const { logits, familiarity } = await run(session, model, pixels);
  const answer = rankClasses(logits, familiarity, model);
  self.postMessage({ type: "answer", id, answer, milliseconds: performance.now() - begin });
}

async function run(session, model, pixels) {
  const size = model.preprocessing.size;
  const results = await session.run({ [model.input]: new ort.Tensor("uint8", pixels, [1, size, size, 3]) });
  const second = model.familiarity_output; // Null if the model file was made before version 0.3.
  return { logits: results[model.output].data, familiarity: second ? results[second].data[0] : null };
}

function reportFailure(id, error) {
  self.postMessage({ type: "failed", id, message: describeError(error), forPeople: error instanceof PhotoError });
}

function describeError(error) {
  if (error instanceof storage.LoadError) {
    return error.status === null ? texts.fileDamaged(error.file) : texts.fileNotServed(error.file, error.status);
  }
  return String(error?.message ?? error);
}
