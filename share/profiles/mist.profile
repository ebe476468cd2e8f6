# Juniper Mist access points; CoA/DM Server of the WLAN must name our address.
# Juniper Mist, "Configure RADIUS Server for Wireless: CoA/DM Server"; the same
# attributes that PacketFence sends to a Mist access point.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required
session Acct-Session-Id

action reauth
action disconnect
action vlan as reauth
action role as reauth
action redirect as reauth
