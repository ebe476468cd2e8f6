# Xirrus (Cambium) arrays.
# As PacketFence's module for it does: the MAC alone.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp yes

session Calling-Station-Id required

action reauth
action disconnect
action vlan as reauth
action role as reauth
action redirect as reauth
