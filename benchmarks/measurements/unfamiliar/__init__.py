"""Photographs that a model may not know: the sets of photographs, their verdicts, scores, and the wrong names."""
