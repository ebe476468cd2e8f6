# Juniper EX switches with Junos 18 or newer.
# Juniper, "Understanding RADIUS-Initiated Changes to an Authorized User Session".
# Junos 15 wants Acct-Session-Id in place of Calling-Station-Id: copy this file.
code disconnect
port 3799
mac hyphen
message-authenticator yes
event-timestamp yes

session NAS-IP-Address
session Calling-Station-Id required

action reauth
action disconnect

action bounce code coa
attribute Juniper-AV-Pair "Port-Bounce"
