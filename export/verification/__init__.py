"""Measuring networks on photographs, comparing networks, the accuracy limits, and checking a finished model file.

Nothing here changes a graph or writes a file.
"""
