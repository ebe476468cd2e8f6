# Extreme access points, and EXOS switches.
# Extreme Networks, "ExtremeXOS User Guide 22.6: Dynamic Authorization": our address
# must be configured as a source, Message-Authenticator is checked, ONEPolicy is on.
code disconnect
port 3799
mac hyphen
message-authenticator yes
event-timestamp yes

session NAS-IP-Address
session Calling-Station-Id required

action reauth
action disconnect
action vlan as reauth

action role code coa
attribute Filter-Id %{role}
fallback reauth

action redirect as reauth
