# For the tests of intune-token and intune-query: one emulator for a whole file,
# and for each test a configuration and a token cache of its own.
# shellcheck disable=SC2119,SC2120 # conf takes lines or none

load lib_emulator

intune_setup_file() {
	export EMU_DIR=$BATS_FILE_TMPDIR/emu
	emulator_start --token-limit 0 "$@"
}

# The same as lib_emulator's, ten times as fast: it is called a thousand times.
emulator_control() {
	perl -MIO::Socket::UNIX -e '
		$s = IO::Socket::UNIX->new(Peer => shift) or die "no emulator\n";
		print $s "@ARGV"; $s->shutdown(1); $status = <$s>; @text = <$s>;
		if ($status == 0) { print @text } else { print STDERR @text, "\n" }
		exit $status' "$EMU_DIR/control" "$@"
}

intune_setup() {
	local command
	for command in clear-faults up reset-counts 'log clear' expire-tokens; do
		emulator_control "$command"
	done
	export INTUNE_NAC_CONF=$BATS_TEST_TMPDIR/nac.conf TOKENS=$BATS_TEST_TMPDIR/tokens
	conf
}

# conf [LINE...]: a configuration with a secret, and further lines
conf() {
	printf '%s\n' "tenant = $EMU_TENANT" "client_id = $EMU_CLIENT_ID" \
		"client_secret_file = $EMU_SECRET_FILE" "authority = $EMU_HOST" "graph = $EMU_HOST" \
		"intune_hosts = $EMU_HOST" "ca_file = $EMU_CA" "token_dir = $TOKENS" "$@" >"$INTUNE_NAC_CONF"
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
