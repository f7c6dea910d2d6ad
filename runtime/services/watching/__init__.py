"""Watching a folder: answering photos as they arrive, once each, also after a restart.

The log of answers and the loop over the folder live here; how a photo is read or answered does not.
"""
