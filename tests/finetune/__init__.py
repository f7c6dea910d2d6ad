"""Tests of `finetune`: data sets, batches, network, recipes and training.

Training runs use the small network of `tests.samples.small_network`; the ResNet-50 is trained for the tests of export.
"""
