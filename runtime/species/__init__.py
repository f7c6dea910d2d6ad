"""The names of the species in several languages, and the file that holds them.

What is known about a species belongs here. Which species a photo shows is `runtime.answers.answer`.
"""
