# Fortinet FortiSwitch; its interface needs `allowaccess radius-acct'.
# Fortinet, "FortiSwitch Administration Guide 7.2: RADIUS change of authorization".
code coa
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session Calling-Station-Id required

action reauth
attribute Fortinet-Host-Port-AVPair "action=reauth-port"
fallback disconnect

action disconnect code disconnect

action bounce
attribute Fortinet-Host-Port-AVPair "action=bounce-port"
fallback disconnect

# In newer versions; Tunnel-Type beside it is unverified.
action vlan
attribute Tunnel-Type VLAN
attribute Tunnel-Medium-Type IEEE-802
attribute Tunnel-Private-Group-Id %{vlan}
fallback reauth

action role as reauth
action redirect as reauth
