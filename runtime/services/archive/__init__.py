"""Answers for an archive of photos: a table that is written in parts, and can be gone on with after a crash.

The order of the parts and of their rows is that of the photos, so two runs over the same photos make the same table.
"""
