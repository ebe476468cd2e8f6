# Older HPE and HP ProCurve switches without user roles, such as the 2530.
# As PacketFence's definition for the 2530 has it: Disconnect only.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session User-Name
session Calling-Station-Id required
session Acct-Session-Id

action reauth
action disconnect
action vlan as reauth
action role as reauth
action redirect as reauth
