"""What a training step consumes: augmented photographs, cached features of the frozen stages, MixUp and CutMix.

Nothing here computes losses or changes weights.
"""
