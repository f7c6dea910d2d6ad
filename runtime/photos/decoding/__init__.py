"""What decoding an untrusted file takes: its memory, its damage, its missing end, and the meaning of its pixels.

`runtime.photos.open_photo` puts these together.
"""
