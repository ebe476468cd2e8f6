"""A double of Entra ID's token endpoint and of Microsoft Graph's managedDevices."""

VERSION = "0.1"
