"""Tables of answers in files: one module for each format, and what all formats do."""
