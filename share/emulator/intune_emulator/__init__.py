"""A double of Entra ID's token endpoint and of Microsoft Graph's managedDevices."""

import sys

VERSION = "0.1"
EX_USAGE, EX_DATAERR, EX_UNAVAILABLE, EX_IOERR, EX_CONFIG = 64, 65, 69, 74, 78


def die(status, message):
    print(f"intune-emulator: {message}", file=sys.stderr)
    sys.exit(status)
