# Dell Force10 switches with OS9; NAS-Port is required.
# Dell, "OS9 Configuration Guide: RADIUS Change of Authorization".
# Unverified: NAS-IP-Address beside it, and the Disconnect.
code coa
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required
session NAS-Port required

action reauth
attribute Force10-AVPair "cmd=re-authenticate"
fallback disconnect

action disconnect code disconnect

action bounce
attribute Force10-AVPair "cmd=bounce-host-port"
fallback reauth

action vlan as reauth
action role as reauth
action redirect as reauth
