"""What can go wrong between a service and the broker, told apart by what the caller may conclude."""

from __future__ import annotations


class DeliveryError(Exception):
    """A message was not, or perhaps not, handed over."""


class BrokerUnavailable(DeliveryError):
    """The broker cannot be reached; nothing has left."""


class Busy(DeliveryError):
    """A bounded queue, here or at the broker, is full; nothing has left."""


class NotConfirmed(DeliveryError):
    """Handed over, but the broker's confirm did not come: the message may or may not be there."""


class Unroutable(DeliveryError):
    """The broker took the message and found no queue for it: the topology is wrong."""


class NoAnswer(DeliveryError):
    """The question or command was handed over, or may have been; no answer came in time."""


class Permanent(Exception):
    """Trying again cannot help: the message goes to the dead letters at once. The text is the reason shown there."""


class NotYet(Exception):
    """What the message belongs to is not there yet; it is tried again later."""
