"""How messages get from one service to the next: confirmed publishing, an outbox with its relay, batches, delayed retry, dead letters.

Going out:  outbox.append -> relay -> publisher.          Coming in in bulk: consumer -> (failures.py) retry or dead letter.
Asking:     requests.Requests (the asker)  <-> server.py (FastStream, the answerer).
"""
