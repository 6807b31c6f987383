"""Services and servers are killed at any moment; afterwards nothing is lost, doubled or created."""
