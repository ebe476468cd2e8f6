# MikroTik RouterOS; `/radius incoming set accept=yes port=3799' (older ones: 1700).
# MikroTik, "Manual: RADIUS Client".  A session of EAP goes by its User-Name; for
# one by MAC address PacketFence sends "%{calling}" as User-Name.
# Unverified: Acct-Session-Id and Framed-IP-Address beside it.
code disconnect
port 3799
mac colon-upper
message-authenticator yes
event-timestamp yes

session User-Name required
session Acct-Session-Id
session Framed-IP-Address

action reauth
action disconnect

action vlan code coa
attribute Mikrotik-Wireless-VLANID %{vlan}
fallback reauth

action role as reauth
action redirect as reauth
