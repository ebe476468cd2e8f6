# For the tests of intune-token and intune-query: one emulator for a whole file,
# and for each test a configuration and a token cache of its own.
# shellcheck disable=SC2119,SC2120 # conf takes lines or none

load lib_emulator

intune_setup_file() {
	export EMU_DIR=$BATS_FILE_TMPDIR/emu
	emulator_start --token-limit 0 "$@"
}

intune_setup() {
	emulator_control clear-faults
	emulator_control up
	emulator_control reset-counts
	emulator_control log clear
	emulator_control expire-tokens
	export INTUNE_NAC_CONF=$BATS_TEST_TMPDIR/nac.conf TOKENS=$BATS_TEST_TMPDIR/tokens
	conf
}

# conf [LINE...]: a configuration with a secret, and further lines
conf() {
	printf '%s\n' "tenant = $EMU_TENANT" "client_id = $EMU_CLIENT_ID" \
		"client_secret_file = $EMU_SECRET_FILE" "authority = $EMU_HOST" "graph = $EMU_HOST" \
		"ca_file = $EMU_CA" "token_dir = $TOKENS" "$@" >"$INTUNE_NAC_CONF"
	chmod 600 "$INTUNE_NAC_CONF"
}

# conf_set KEY VALUE: changes or (VALUE empty) removes one key
conf_set() {
	sed -i "/^$1 =/d" "$INTUNE_NAC_CONF"
	[ -z "$2" ] || echo "$1 = $2" >>"$INTUNE_NAC_CONF"
}

# count NAME: how often the emulator has seen it
count() { emulator_control count "$1"; }

# token_file SUFFIX: the one file of that kind in the cache
token_file() { ls "$TOKENS"/*."$1"; }
