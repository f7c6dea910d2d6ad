"""The camera: one answer over several frames of a camera, a stream or a film.

Opening sources, reading frames, motion, the answer over frames and the folder of kept pictures live here. How a frame
becomes the input of the network does not (`runtime.photos`), and neither does the delivery of answers
(`runtime.services.delivery`).
"""
