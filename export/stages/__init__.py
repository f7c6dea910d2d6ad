"""The stages of an export, one file each: load, float graph, familiarity, quantize, measure, guard, finish, write.

Each stage takes and returns a frozen dataclass and runs once; `export.stages.export_checkpoint` calls them in order.
The work itself is in the lower rooms (`export.graph`, `export.quantization`, `export.verification`, `export.files`).
"""
