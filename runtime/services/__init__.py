"""Services: what runs until it is stopped or for hours, and where its answers go.

Each folder has one subject. Their libraries are extras, imported where they are first used.
"""
