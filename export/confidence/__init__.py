"""Confidence: when an answer is a name, and what share of new photographs gets one.

The temperature makes probabilities match the share of right answers. The class distance says how near a photo is to
the photographs that the network was trained on. The cuts are the smallest values with which an answer is a name.

The literature calls fitting a temperature "probability calibration". This project says confidence, because calibration
means activation ranges here (`export.quantization.calibration`).
"""
