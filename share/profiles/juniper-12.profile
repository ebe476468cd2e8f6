# Juniper EX switches with Junos 12 to 14.
# As PacketFence's module for Junos in general does it (its Junos.pm): the MAC and
# Acct-Session-Id.  Junos 15 and 18 have profiles of their own.
# Juniper, "Understanding RADIUS-Initiated Changes to an Authorized User Session".
# Unverified: which versions want which; try juniper first.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required
session Acct-Session-Id

action reauth
action disconnect
action vlan as reauth
action role as reauth
action redirect as reauth
