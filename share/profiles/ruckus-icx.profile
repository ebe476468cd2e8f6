# Ruckus (Brocade, Foundry) ICX switches with FastIron 08.0.80 or newer.
# CommScope, "Ruckus FastIron Security Configuration Guide 08.0.80: RADIUS Change
# of Authorization".  One attribute more than it needs may be a NAK.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required

action reauth
action disconnect

# Unverified: number and words of this attribute; the guide calls it FlexAuth AVP.
action bounce code coa
attribute Foundry-COA-Command "flip-port"
fallback reauth

action vlan as reauth

# An access list that is on the switch.
action role code coa
attribute Filter-Id %{role}
fallback reauth

action redirect as reauth
