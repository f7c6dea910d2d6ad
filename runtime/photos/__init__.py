"""Photos: finding them in folders, reading and decoding them, and making the network's input from them.

Nothing here depends on the model file or onnxruntime. To add a file format, add it to `runtime.photos.formats`.
"""
