"""Writing output: several files together, bundle folders, the manifest ``SHA256SUMS``, new metadata for a model file.

Nothing here changes or measures a network.
"""
