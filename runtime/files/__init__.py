"""Files: writing them atomically and computing their digests.

Code that depends on what a file contains (a photo, a model, a log of answers) lives in the room of its subject, not
here.
"""
