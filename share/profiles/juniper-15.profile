# Juniper EX switches with Junos 15: they find the session by Acct-Session-Id,
# and nothing else may be there (PacketFence's module for Junos 15).
# Juniper, "Understanding RADIUS-Initiated Changes to an Authorized User Session".
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Acct-Session-Id required

action reauth
action disconnect
action vlan as reauth
action role as reauth
action redirect as reauth
