// Downloads, checks and stores the large files of this bundle.
//
// This is a classic script and not a module, because the service worker imports it, too, and not all supported browsers
// have service workers that are modules. It defines one global name: `storage`.

self.storage = (() => {
  // Bundles on the same origin have separate caches: the name contains the path of the bundle and a digest of the content.
  const prefix = `flower-edge ${new URL("./", self.location).pathname} `;
  const cacheName = (sha256) => prefix + sha256.slice(0, 16);

  /** A file that cannot be loaded: it is damaged, or the server answered with an HTTP error. */
  class LoadError extends Error {
    /**
     * @param file {string}
     * @param status {number | null} of the HTTP response; null if the content was damaged
     */
    constructor(file, status = null) {
      super(status === null ? `${file} is damaged` : `${file}: HTTP status ${status}`);
      this.file = file;
      this.status = status;
    }
  }

  const toHex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  // Browsers offer crypto.subtle and caches only to pages from https or localhost. The page works without them, too.
  async function isIntact(content, sha256) {
    return !self.crypto?.subtle || toHex(await crypto.subtle.digest("SHA-256", content)) === sha256;
  }

  async function openCache(sha256) {
    try {
      return await self.caches?.open(cacheName(sha256));
    } catch {
      return undefined; // The user has switched storage off.
    }
  }

  /** @returns {Promise<boolean>} whether a large file is stored on this device */
  async function has(entry) {
    return Boolean(await (await openCache(entry.sha256))?.match(entry.file));
  }

  /**
   * A large file, unpacked: from this device, or else from the server. It is stored on this device if there is space.
   *
   * @param entry one of `files` in model.json
   * @param onBytes called with the number of bytes that have arrived since the last call, compressed
   * @returns {Promise<{content: ArrayBuffer, kept: boolean}>} `kept` is true if the file is stored on this device
   * @throws {LoadError}
   */
  async function load(entry, onBytes = () => {}) {
    const cache = await openCache(entry.sha256);
    const stored = await cache?.match(entry.file);
    if (stored) {
      onBytes(entry.bytes);
      return { content: await stored.arrayBuffer(), kept: true };
    }
    const content = await download(entry, onBytes);
    if (!(await isIntact(content, entry.sha256))) {
      throw new LoadError(entry.file);
    }
    try {
      await cache?.put(entry.file, new Response(content));
      return { content, kept: Boolean(cache) };
    } catch {
      return { content, kept: false }; // No space, or not allowed. The file is downloaded again next time.
    }
  }

  async function download(entry, onBytes) {
    const response = await fetch(entry.file, { cache: "no-cache" });
    if (!response.ok) {
      throw new LoadError(entry.file, response.status);
    }
    const parts = [];
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      onBytes(part.value.length);
    }
    const received = new Blob(parts);
    // Some servers send .gz files with Content-Encoding: gzip. The browser has then unpacked the content already.
    const [first, second] = new Uint8Array(await received.slice(0, 2).arrayBuffer());
    const isGzip = first === 0x1f && second === 0x8b;
    const stream = isGzip ? received.stream().pipeThrough(new DecompressionStream("gzip")) : received.stream();
    return new Response(stream).arrayBuffer();
  }

  return { prefix, cacheName, isIntact, has, load, LoadError };
})();
