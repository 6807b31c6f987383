"""Keeps open pages up to date: balance.changed.v1 in, WebSocket frames out. Holds open sockets and nothing that a restart would miss.

consumers.py (events in) -> hub.py (whose sockets) -> feed.py (what each may be told now) -> frames.py (the text) -> sockets.py (out).
"""
