"""Files: writing them atomically and computing their digests.

Code that knows what a file contains (a photo, a model, a log of answers) lives in the room of its subject, not here.
"""
