"""Mixed payments over the three stand-ins with faults of every kind; afterwards the providers' books, ours and every told status agree.

`python -m tests.mixed --payments 1000 --seed 7` makes one run; tests/mixed/test_*.py make smaller ones. plan.py draws who does what,
stories.py and its neighbours do it over HTTP, rest.py waits until nothing moves, comparing.py holds the books side by side.
"""
