"""The four services as processes, driven as their users do: over HTTP and sockets."""
