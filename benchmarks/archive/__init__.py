"""What is in an archive: one page about a table of answers, with lists of duplicates and of labels that may be wrong.

Of a photo, a few numbers and its name are held in memory. Pictures are read only for the photos that are shown.
"""
