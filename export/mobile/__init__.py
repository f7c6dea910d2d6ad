"""The mobile bundle: a folder that an app includes, with a model that takes a photo's pixels and returns names.

This room holds the graph around the network, the bundle's documents and the bundle's check. Code for one phone system
does not belong here, except for the snippets in the bundle's README.
"""
