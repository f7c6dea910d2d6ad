"""From photographs to a checkpoint: fine-tuning a ResNet-50 on Oxford 102 Flowers."""
