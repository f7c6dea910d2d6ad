"""Building, editing, reading and running ONNX graphs: float graph, byte input, float16, ORT format.

Nothing here chooses activation ranges or rounds weights (`export.quantization`) or measures accuracy
(`export.verification`).
"""
