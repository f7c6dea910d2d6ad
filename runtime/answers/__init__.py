"""Answers: what an answer is, how it is made from the outputs of a network, and its forms for other programs."""
