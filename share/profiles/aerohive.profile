# Aerohive, now Extreme IQ Engine access points.
# As PacketFence does it (its AeroHIVE AP.def).
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
