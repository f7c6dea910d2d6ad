"""The page about an archive and its lists."""
