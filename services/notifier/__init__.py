"""Keeps open pages up to date: balance, payment and withdrawal events in, WebSocket frames out. Holds open sockets and nothing that a
restart would miss.

consumers.py (events in) -> hub.py (whose sockets) -> feed.py for balances, notices.py for payments and withdrawals (what each may be told
now) -> frames.py (the text) -> sockets.py (out).
"""
