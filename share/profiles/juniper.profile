# Juniper EX switches with Junos 18 or newer.
# Juniper, "Understanding RADIUS-Initiated Changes to an Authorized User Session".
# Junos 15 has a profile of its own: juniper-15.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required

action reauth
action disconnect

action bounce code coa
attribute Juniper-AV-Pair "Port-Bounce"
fallback reauth

action vlan as reauth
action role as reauth

# Unverified: documented for the Access-Accept.
action redirect code coa
attribute Juniper-CWA-Redirect %{redirect}
fallback reauth
