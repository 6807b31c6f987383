"""AllSecure's gateway (a white-label IXOPAY "Exchange"), JSON v3: what the sheet of its facts says, and assumptions marked as such."""

from tests.emulators.allsecure.connectors import CARDS, OLD_CARDS, Behaviour, Connector, Limits
from tests.emulators.allsecure.emulator import AllSecureEmulator

__all__ = ["CARDS", "OLD_CARDS", "AllSecureEmulator", "Behaviour", "Connector", "Limits"]
