"""The gateway's OpenAPI document turned against the gateway: schemathesis asks everything that the document promises, and more."""
