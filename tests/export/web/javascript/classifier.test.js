import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Classifier, missingFeatures } from "../../../../export/web/page/classifier.js";
import { PhotoError } from "../../../../export/web/page/photo.js";
import { texts } from "../../../../export/web/page/texts.js";

/** A worker that only records messages, in the place of the browser's. */
class FakeWorker {
  static newest;
  listeners = {};
  messages = [];

  constructor() {
    FakeWorker.newest = this;
  }

  addEventListener(type, listener) {
    this.listeners[type] = listener;
  }

  postMessage(message) {
    this.messages.push(message);
  }

  send(data) {
    this.listeners.message({ data });
  }
}

/** Define the features of a browser that Node.js lacks. */
function pretendBrowser() {
  globalThis.Worker = FakeWorker;
  globalThis.OffscreenCanvas = function OffscreenCanvas() {};
  globalThis.createImageBitmap = () => {};
}

afterEach(() => {
  delete globalThis.Worker;
  delete globalThis.OffscreenCanvas;
  delete globalThis.createImageBitmap;
});

test("missing features are named", () => {
  assert.deepEqual(missingFeatures(), ["web workers", "OffscreenCanvas", "createImageBitmap"]);
});

test("a browser with all features lacks none", () => {
  pretendBrowser();
  assert.deepEqual(missingFeatures(), []);
});

test("WebAssembly without SIMD is not enough", (context) => {
  pretendBrowser();
  context.mock.method(WebAssembly, "validate", () => false);
  assert.deepEqual(missingFeatures(), ["WebAssembly SIMD"]);
});

test("each answer belongs to its photo", async () => {
  pretendBrowser();
  const classifier = new Classifier({});
  const worker = FakeWorker.newest;
  const first = classifier.classify("first.jpg");
  const second = classifier.classify("second.jpg");
  assert.deepEqual(worker.messages, [{ id: 1, file: "first.jpg" }, { id: 2, file: "second.jpg" }]);
  worker.send({ type: "answer", id: 2, answer: { uncertain: true }, milliseconds: 20 });
  worker.send({ type: "answer", id: 1, answer: { uncertain: false }, milliseconds: 10 });
  assert.deepEqual(await first, { uncertain: false, milliseconds: 10 });
  assert.deepEqual(await second, { uncertain: true, milliseconds: 20 });
});

test("only errors about the photo are PhotoErrors", async () => {
  pretendBrowser();
  const classifier = new Classifier({});
  const notReadable = classifier.classify("text.txt");
  const failed = classifier.classify("photo.jpg");
  FakeWorker.newest.send({ type: "failed", id: 1, message: "not a photo", forPeople: true });
  FakeWorker.newest.send({ type: "failed", id: 2, message: "out of memory", forPeople: false });
  await assert.rejects(notReadable, (error) => error instanceof PhotoError && error.message === "not a photo");
  await assert.rejects(failed, (error) => !(error instanceof PhotoError) && error.message === "out of memory");
});

test("a failure of the worker ends the wait for all photos, and for later ones", async () => {
  pretendBrowser();
  const reasons = [];
  const classifier = new Classifier({ onFailure: (reason) => reasons.push(reason) });
  const worker = FakeWorker.newest;
  const waiting = [classifier.classify("first.jpg"), classifier.classify("second.jpg")];
  worker.listeners.error({ message: "out of memory" });
  for (const answer of [...waiting, classifier.classify("third.jpg")]) {
    await assert.rejects(answer, { message: "out of memory" });
  }
  assert.deepEqual([reasons, worker.messages.length], [["out of memory"], 2]);
});

test("a worker that has fallen silent is not waited for without end", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  pretendBrowser();
  const classifier = new Classifier({});
  const worker = FakeWorker.newest;
  const states = [];
  const note = (name) => [() => states.push(`${name} answered`), (error) => states.push(`${name}: ${error.message}`)];
  const first = classifier.classify("first.jpg").then(...note("first"));
  const second = classifier.classify("second.jpg").then(...note("second"));
  context.mock.timers.tick(600_000); // The model is still loading, over a slow network.
  worker.send({ type: "ready" });
  context.mock.timers.tick(59_000);
  assert.deepEqual(states, []);
  context.mock.timers.tick(1_000);
  await first;
  worker.send({ type: "answer", id: 1, answer: {} }); // Too late.
  worker.send({ type: "answer", id: 2, answer: {} });
  await second;
  assert.deepEqual(states, [`first: ${texts.noAnswer(60)}`, "second answered"]);
});

test("the state of loading is reported", () => {
  pretendBrowser();
  const calls = [];
  const listener = (name) => (...values) => calls.push([name, ...values]);
  new Classifier({
    onProgress: listener("progress"),
    onPreparing: listener("preparing"),
    onReady: listener("ready"),
    onFailure: listener("failure"),
  });
  const worker = FakeWorker.newest;
  const ready = { type: "ready", threads: 2, kept: true, milliseconds: 30 };
  worker.send({ type: "progress", loaded: 1, total: 4 });
  worker.send({ type: "preparing" });
  worker.send(ready);
  worker.send({ type: "failed", id: null, message: "no network" });
  worker.listeners.error({ message: "" });
  assert.deepEqual(calls, [
    ["progress", 1, 4], ["preparing"], ["ready", ready], ["failure", "no network"],
    ["failure", texts.scriptNotLoaded],
  ]);
});
