# Ubiquiti UniFi access points; the request goes to the access point itself, and
# its NAS-Identifier is its own MAC without colons, as it sends it.
# As PacketFence does it (its Ubiquiti/Unifi.pm).
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session Calling-Station-Id required
session NAS-Identifier required

action reauth
action disconnect
action vlan as reauth
action role as reauth
action redirect as reauth
