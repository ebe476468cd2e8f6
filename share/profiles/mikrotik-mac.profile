# MikroTik RouterOS; `/radius incoming set accept=yes port=3799' (older ones: 1700).
# MikroTik, "Manual: RADIUS Client".  Sessions of RADIUS MAC authentication, which
# have the address as their User-Name: as PacketFence's module for it does.
code disconnect
port 3799
mac colon-upper
message-authenticator no
event-timestamp no

session User-Name %{calling} required

action reauth
action disconnect

action vlan code coa
attribute Mikrotik-Wireless-VLANID %{vlan}
fallback reauth

action role as reauth
action redirect as reauth
