# MikroTik RouterOS; `/radius incoming set accept=yes port=3799' (older ones: 1700).
# MikroTik, "Manual: RADIUS Client".  A session of EAP goes by its User-Name; one
# by MAC address is for the profile mikrotik-mac.
# Unverified: Acct-Session-Id beside it, since a user may have several devices.
code disconnect
port 3799
mac colon-upper
message-authenticator no
event-timestamp no

session User-Name required
session Acct-Session-Id required

action reauth
action disconnect

action vlan code coa
attribute Mikrotik-Wireless-VLANID %{vlan}
fallback reauth

action role as reauth
action redirect as reauth
