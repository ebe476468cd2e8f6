# Pica8 PicOS switches.
# As PacketFence's module for it does.
code coa
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required

action reauth
attribute Pica8-AVPair "subscriber:command=reauthenticate"
attribute Pica8-AVPair "subscriber:reauthenticate-type=last"
fallback disconnect

# Unverified.
action disconnect code disconnect

action bounce
attribute Pica8-AVPair "subscriber:command=bounce-host-port"
fallback reauth

action vlan as reauth
action role as reauth

# Unverified: documented for the Access-Accept.
action redirect
attribute Pica8-Redirect-URL %{redirect}
fallback reauth
