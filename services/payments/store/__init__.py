"""Rows of the schema `payments`, one module a subject.

Who locks several rows locks a payment first, then its refunds and disputes, its order.
"""
