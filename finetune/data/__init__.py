"""Data sets on disk: Oxford 102 Flowers, class-named folders, their splits, downloads, batches without augmentation.

Nothing here augments photographs or depends on training runs.
"""
