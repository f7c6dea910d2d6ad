"""Serving: answering photos that come over HTTP.

Limits, the token, the queue of photos and the description of the interface live here; how a photo is decoded or
answered does not. Starlette routes the requests, uvicorn speaks HTTP.
"""
