"""Accuracy and speed of a checkpoint and of the files made from it, as reports that anyone can make again."""
