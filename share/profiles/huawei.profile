# Huawei S switches.
# Huawei, "S Series Switches Command Reference: HW-Ext-Specific": user-command 1
# authenticates again, 2 takes the port down and up.
code coa
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required

action reauth
attribute Huawei-Ext-Specific "user-command=1"
fallback disconnect

action disconnect code disconnect

action bounce
attribute Huawei-Ext-Specific "user-command=2"
fallback disconnect

action vlan as reauth
action role as reauth

# Unverified: documented for the Access-Accept.
action redirect
attribute Huawei-PortalURL %{redirect}
fallback reauth
