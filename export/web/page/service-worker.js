// Keeps the page on this device, so that it opens without a network, and gives it the headers for threads, which few
// web servers send. The large files are the classifying worker's; here only an update fetches them, in the background.

importScripts("bundle.js", "storage.js");

const { version, small, large, headers } = self.BUNDLE;
const pageCache = storage.cacheName(version);
const ownCaches = new Set([pageCache, ...large.map((entry) => storage.cacheName(entry.sha256))]);

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(removeOldCaches()));
self.addEventListener("fetch", (event) => {
  const name = nameOf(event.request);
  if (name !== null) {
    event.respondWith(answer(name, event.request));
  }
});

/** All small files as this version has them, or none: a server that is being updated may send a mixture. */
async function install() {
  const responses = await Promise.all(Object.entries(small).map(async ([name, sha256]) => [name, await get(name, sha256)]));
  const isUpdate = Boolean(self.registration.active);
  if (isUpdate) {
    await Promise.all(large.map(async (entry) => (await storage.has(entry)) || storage.load(entry)));
  }
  const cache = await caches.open(pageCache);
  await Promise.all(responses.map(([name, response]) => cache.put(name, response)));
}

async function get(name, sha256) {
  const response = await fetch(name, { cache: "no-cache" });
  const content = await response.arrayBuffer();
  if (!response.ok || !(await storage.isIntact(content, sha256))) {
    throw new Error(`${name} is not that of version ${version}`);
  }
  const type = response.headers.get("Content-Type") ?? "";
  return new Response(content, { headers: { ...headers, "Content-Type": type } });
}

async function removeOldCaches() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(storage.prefix) && !ownCaches.has(name));
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** The name of the bundle's file that is asked for, or null where it is none of the small ones. */
function nameOf(request) {
  const folder = new URL("./", self.location).href;
  const [address] = request.url.split(/[?#]/);
  if (request.method !== "GET" || !address.startsWith(folder)) {
    return null;
  }
  const name = address.slice(folder.length) || "index.html";
  return Object.keys(small).includes(name) ? name : null;
}

async function answer(name, request) {
  const cache = await caches.open(pageCache);
  return (await cache.match(name)) ?? fetch(request);
}
