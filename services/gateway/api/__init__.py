"""The routes, one file a resource: check the form, ask the service behind, print its answer."""
