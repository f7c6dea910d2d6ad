"""Photographs that a model may not know: the suite and the scores."""
