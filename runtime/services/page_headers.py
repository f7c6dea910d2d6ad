"""The HTTP headers of the web page. Its meta tag, its service worker and both servers take them from this module."""

POLICY = {
    "default-src": "'none'",
    # 'wasm-unsafe-eval' allows compiling WebAssembly, and not JavaScript's eval.
    "script-src": "'self' 'wasm-unsafe-eval'",
    "worker-src": "'self'",
    "connect-src": "'self'",
    "style-src": "'self'",
    # blob: is the chosen photo, in the memory of this device.
    "img-src": "'self' blob:",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
"""Content-Security-Policy: directive → sources (W3C, "Content Security Policy Level 3")."""

META_POLICY = "; ".join(f"{name} {value}" for name, value in POLICY.items())
"""The policy for a meta tag, where browsers ignore ``frame-ancestors``."""

SECURITY = {
    "Content-Security-Policy": f"{META_POLICY}; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers that restrict what the page may do."""

ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
"""Headers without which a browser gives WebAssembly no threads (HTML standard, "cross-origin isolated")."""

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
"""File ending → Content-Type. Python's own table depends on the system. Browsers reject scripts of another type."""
