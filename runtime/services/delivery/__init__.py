"""Delivery: where the answers of a service go, besides its own output.

A receiver takes one event at a time: MQTT, a web address, a command. The outbox keeps events until their receiver has
taken them. How an answer is made does not live here.
"""
