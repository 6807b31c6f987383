"""Every message between the services: a frozen model each, one sample a version in tests/contract/samples, the map in topology.py."""
