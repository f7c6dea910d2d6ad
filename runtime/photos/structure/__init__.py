"""The structure of photo files: markers, chunks and boxes, read from the bytes before anything is decoded.

Nothing here decodes pixels or raises an error of the project. What a structure means for a photo is decided in the
modules above.
"""
