// Stores the page on this device, so that it opens without a network, and adds the headers that threads need, which few
// web servers send. worker.js loads the large files; this service worker loads them only for an update, in the background.

importScripts("bundle.js", "storage.js");

const { BUNDLE, storage } = self;
const { version, small, large, headers } = BUNDLE;
const pageCache = storage.cacheName(version);
const currentCaches = new Set([pageCache, ...large.map((entry) => storage.cacheName(entry.sha256))]);

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(removeOldCaches()));
self.addEventListener("fetch", (event) => {
  const name = smallFileName(event.request);
  if (name !== null) {
    event.respondWith(respond(name, event.request));
  }
});

/** Store all small files of this version, or none: a server in the middle of an update may send files of two versions. */
async function install() {
  const responses = await Promise.all(
    Object.entries(small).map(async ([name, sha256]) => [name, await download(name, sha256)]),
  );
  const isUpdate = Boolean(self.registration.active);
  if (isUpdate) {
    await Promise.all(large.map(async (entry) => (await storage.has(entry)) || storage.load(entry)));
  }
  const cache = await caches.open(pageCache);
  await Promise.all(responses.map(([name, response]) => cache.put(name, response)));
}

async function download(name, sha256) {
  const response = await fetch(name, { cache: "no-cache" });
  const content = await response.arrayBuffer();
  if (!response.ok || !(await storage.isIntact(content, sha256))) {
    throw new Error(`${name} is not the file of version ${version}`);
  }
  const type = response.headers.get("Content-Type") ?? "";
  return new Response(content, { headers: { ...headers, "Content-Type": type } });
}

async function removeOldCaches() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(storage.prefix) && !currentCaches.has(name));
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** @returns {string | null} the name of the requested file, if it is one of the small files of this bundle */
function smallFileName(request) {
  const folder = new URL("./", self.location).href;
  const [address] = request.url.split(/[?#]/);
  if (request.method !== "GET" || !address.startsWith(folder)) {
    return null;
  }
  const name = address.slice(folder.length) || "index.html";
  return Object.keys(small).includes(name) ? name : null;
}

async function respond(name, request) {
  const cache = await caches.open(pageCache);
  return (await cache.match(name)) ?? fetch(request);
}
