"""What results are compared with: naive quantization, and pictures that show no flower.

Nothing here measures.
"""
