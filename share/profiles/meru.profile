# Meru (Fortinet) wireless controllers.
# As PacketFence's Meru MC_v2 does it: the MAC alone, in the form
# that the controller itself writes.
code disconnect
port 3799
mac as-received
message-authenticator no
event-timestamp no

session Calling-Station-Id required

action reauth
action disconnect
action vlan as reauth
action role as reauth
action redirect as reauth
