"""The web bundle: a folder of static files whose page names the flower in a photo, in the browser.

This room holds the Python code that makes, checks and serves the bundle, and in ``page/`` the files of the page itself.
Code that only tests or measures the page does not belong here: it is in ``tests/export/web`` and ``benchmarks``.
"""
