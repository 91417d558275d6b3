"""Telling people and machines: messages by apprise, pings by HTTP. ``interface`` is the contract."""
