# Fortinet FortiGate: User-Name alone is a NAK, so the address goes with it.
# Fortinet community, thread 118199, "RADIUS Disconnect-Request".
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session User-Name required
session Framed-IP-Address required

action reauth
action disconnect
action vlan as reauth
action role as reauth
action redirect as reauth
