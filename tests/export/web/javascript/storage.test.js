import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";

const CONTENT = Buffer.from("the network");
const ENTRY = {
  file: "model.ort.gz",
  bytes: gzipSync(CONTENT).length,
  sha256: createHash("sha256").update(CONTENT).digest("hex"),
};

let served; // The content and the status of the server's next responses.
let requests;
let stored; // Cache name → file name → content.
let storage;

beforeEach(async () => {
  served = { content: gzipSync(CONTENT), status: 200 };
  requests = 0;
  stored = new Map();
  globalThis.self = globalThis;
  globalThis.location = new URL("http://localhost/site/worker.js");
  globalThis.fetch = async () => {
    requests += 1;
    return new Response(served.content, { status: served.status });
  };
  globalThis.caches = {
    open: async (name) => {
      if (!stored.has(name)) stored.set(name, new Map());
      const cache = stored.get(name);
      return {
        match: async (file) => (cache.has(file) ? new Response(cache.get(file)) : undefined),
        put: async (file, response) => cache.set(file, await response.arrayBuffer()),
      };
    },
  };
  await import("../../../../export/web/page/storage.js");
  storage = globalThis.storage;
});

const text = ({ content }) => Buffer.from(content).toString();

test("a file is downloaded once, unpacked and stored", async () => {
  assert.equal(await storage.has(ENTRY), false);
  const counts = [];
  const first = await storage.load(ENTRY, (count) => counts.push(count));
  assert.deepEqual([text(first), first.kept], ["the network", true]);
  assert.equal(counts.reduce((sum, count) => sum + count, 0), ENTRY.bytes);
  assert.equal(await storage.has(ENTRY), true);
  const second = await storage.load(ENTRY);
  assert.deepEqual([text(second), second.kept, requests], ["the network", true, 1]);
});

test("a file that the browser has already unpacked is used as it is", async () => {
  served.content = CONTENT;
  assert.equal(text(await storage.load(ENTRY)), "the network");
});

test("a damaged file is an error and is not stored", async () => {
  served.content = gzipSync(Buffer.from("something else"));
  await assert.rejects(storage.load(ENTRY), (error) => error instanceof storage.LoadError && error.status === null);
  assert.equal(await storage.has(ENTRY), false);
});

test("an HTTP error is reported with its status", async () => {
  served.status = 404;
  await assert.rejects(storage.load(ENTRY), (error) => error.status === 404 && error.file === ENTRY.file);
});

test("without space on the device, the file is used and not stored", async () => {
  globalThis.caches = { open: async () => ({ match: async () => undefined, put: () => Promise.reject(new Error("full")) }) };
  const loaded = await storage.load(ENTRY);
  assert.deepEqual([text(loaded), loaded.kept], ["the network", false]);
});

test("without storage, the file is used and not stored", async () => {
  globalThis.caches = { open: () => Promise.reject(new Error("switched off")) };
  assert.equal((await storage.load(ENTRY)).kept, false);
  globalThis.caches = undefined;
  assert.equal((await storage.load(ENTRY)).kept, false);
});

test("bundles in different folders have different caches", () => {
  assert.ok(storage.cacheName(ENTRY.sha256).startsWith(storage.prefix));
  assert.ok(storage.prefix.includes("/site/"));
});
