# Alcatel-Lucent Enterprise OmniSwitch.
# As PacketFence's module for it does.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required

action reauth
action disconnect
action vlan as reauth
action role as reauth

# Unverified: documented for the Access-Accept.
action redirect code coa
attribute Xylan-Redirect-Url %{redirect}
fallback reauth
