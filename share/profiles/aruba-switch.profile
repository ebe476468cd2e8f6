# ArubaOS-Switch 16 and HP ProCurve with it: 2930, 3810, 5400R.
# HPE, "ArubaOS-Switch Access Security Guide 16": HP-Port-Bounce-Host takes the
# port down for that many seconds, and the client comes back by itself.  The
# attributes are those of PacketFence's module for the 2930M, which sends it
# nothing but CoA.
code coa
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session User-Name
session Calling-Station-Id required
session NAS-IP-Address
session NAS-Port-Id

action bounce
attribute HP-Port-Bounce-Host 12

action reauth as bounce
action vlan as bounce

action role
attribute HP-User-Role %{role}
fallback bounce

# Unverified: documented for the Access-Accept.
action redirect
attribute HP-Captive-Portal-URL %{redirect}
fallback bounce
