// Files of this bundle: fetched, checked and kept on this device.
//
// A classic script and not a module, because the service worker needs it, too, and not every browser has module
// service workers. It leaves one name behind: `storage`.

self.storage = (() => {
  // Each bundle on an origin has caches of its own, named by where it lies and by what is in them.
  const prefix = `flower-edge ${new URL("./", self.location).pathname} `;
  const cacheName = (sha256) => prefix + sha256.slice(0, 16);

  const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  // Browsers offer crypto.subtle and caches to https and to localhost only. Elsewhere the page works without them.
  async function isIntact(content, sha256) {
    return !self.crypto?.subtle || hex(await crypto.subtle.digest("SHA-256", content)) === sha256;
  }

  async function openCache(sha256) {
    try {
      return await self.caches?.open(cacheName(sha256));
    } catch {
      return undefined; // Storage is switched off in this browser.
    }
  }

  /** Whether a large file is kept on this device. */
  async function has(entry) {
    return Boolean(await (await openCache(entry.sha256))?.match(entry.file));
  }

  /**
   * A large file, unpacked: from this device, or else from the server, and kept if there is room.
   * @param entry one of `files` in model.json
   * @param onBytes told how many bytes more have arrived, as the server sends them
   * @returns {Promise<{content: ArrayBuffer, kept: boolean}>}
   */
  async function load(entry, onBytes = () => {}) {
    const cache = await openCache(entry.sha256);
    const known = await cache?.match(entry.file);
    if (known) {
      onBytes(entry.bytes);
      return { content: await known.arrayBuffer(), kept: true };
    }
    const content = await download(entry, onBytes);
    if (!(await isIntact(content, entry.sha256))) {
      throw new Error(`${entry.file} arrived damaged`);
    }
    try {
      await cache?.put(entry.file, new Response(content));
      return { content, kept: Boolean(cache) };
    } catch {
      return { content, kept: false }; // No room, or none allowed: it works, and is fetched again next time.
    }
  }

  async function download(entry, onBytes) {
    const response = await fetch(entry.file, { cache: "no-cache" });
    if (!response.ok) {
      throw new Error(`${entry.file}: the server answers ${response.status}`);
    }
    const parts = [];
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      onBytes(part.value.length);
    }
    const packed = new Blob(parts);
    // Some servers declare .gz files as compressed by them, and then the browser has unpacked it already.
    const [first, second] = new Uint8Array(await packed.slice(0, 2).arrayBuffer());
    const isPacked = first === 0x1f && second === 0x8b;
    const stream = isPacked ? packed.stream().pipeThrough(new DecompressionStream("gzip")) : packed.stream();
    return new Response(stream).arrayBuffer();
  }

  return { prefix, cacheName, isIntact, has, load };
})();
