"""Answers of photos that are named on the command line, printed as they come."""
