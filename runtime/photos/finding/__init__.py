"""Finding photos: in folders, by patterns, in lists of names and in tar files; and what is never a photo."""
