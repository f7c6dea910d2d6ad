"""Tests of `finetune.batches`: augmentation, mixing and the caches."""
