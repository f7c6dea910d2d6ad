"""The HTTP headers of the page, in the one place that the page's meta tag, the server and the service worker read."""

POLICY = {
    "default-src": "'none'",
    # The one thing beyond the page's own files: compiling WebAssembly, which is not JavaScript's eval.
    "script-src": "'self' 'wasm-unsafe-eval'",
    "worker-src": "'self'",
    "connect-src": "'self'",
    "style-src": "'self'",
    # The chosen photo is shown from this device's memory.
    "img-src": "'self' blob:",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
"""Content-Security-Policy, by directive."""

META_POLICY = "; ".join(f"{name} {value}" for name, value in POLICY.items())
"""As a meta tag may say it: browsers ignore ``frame-ancestors`` there."""

SECURITY = {
    "Content-Security-Policy": f"{META_POLICY}; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
"""What a browser asks for before it lets WebAssembly have threads (HTML, "cross-origin isolated")."""
