"""Where suites run models besides this Python: a browser and emulated processors.

Nothing here measures.
"""
