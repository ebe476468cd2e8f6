# Ruckus SmartZone and ZoneDirector.  The request goes to the controller (its
# `address' in the NAS file), and NAS-IP-Address stays the access point's own.
# As PacketFence does it (its Ruckus SmartZone.pm).
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required

action reauth
action disconnect
action vlan as reauth
action role as reauth
action redirect as reauth
