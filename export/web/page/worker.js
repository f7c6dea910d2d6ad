// The classifying worker: everything that takes time happens here, so that the page stays responsive.
//
// To the page: {type: "progress", loaded, total}, {type: "preparing"}, {type: "ready", threads, kept, milliseconds},
// {type: "answer", id, answer, milliseconds}, {type: "failed", id, message, forPeople}; id is null before "ready".
// From it: {id, file}.

import "./storage.js";
import { answer } from "./answer.js";
import * as ort from "./ort.wasm.min.mjs";
import { PhotoError, readPhoto } from "./photo.js";

const MAX_THREADS = 4; // More cores than a phone has fast ones only wait for the slow ones.

const started = performance.now();
const opened = open();
opened.catch((error) => fail(null, error));

// One photo after the other, in the order they came.
let turn = opened.catch(() => {});
self.addEventListener("message", ({ data: { id, file } }) => {
  turn = turn.then(() => classify(id, file)).catch((error) => fail(id, error));
});

async function open() {
  const response = await fetch("model.json", { cache: "no-cache" });
  if (!response.ok) {
    throw new Error(`model.json: the server answers ${response.status}`);
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
  await run(session, model, new Uint8Array(size * size * 3)); // The first run is the slowest; nobody waits for this one.
  return { session, model };
}

async function classify(id, file) {
  const { session, model } = await opened;
  const begun = performance.now();
  const pixels = await readPhoto(file, model.preprocessing);
  const logits = await run(session, model, pixels);
  self.postMessage({ type: "answer", id, answer: answer(logits, model), milliseconds: performance.now() - begun });
}

async function run(session, model, pixels) {
  const size = model.preprocessing.size;
  const results = await session.run({ [model.input]: new ort.Tensor("uint8", pixels, [1, size, size, 3]) });
  return results[model.output].data;
}

function fail(id, error) {
  self.postMessage({ type: "failed", id, message: String(error?.message ?? error), forPeople: error instanceof PhotoError });
}
