# Starts, drives and stops intune-emulator, from any bats file or script.
#
#	load lib_emulator
#	emulator_start --fleet 200 --page-size 50	# any option of intune-emulator(1) but --dir
#	emulator_control 'set LAPTOP-0001 complianceState=noncompliant'
#	emulator_control count token			# several words are one command
#	emulator_stop
#
# emulator_start puts its files in $EMU_DIR (set it first, or it is made under
# $BATS_TEST_TMPDIR, $BATS_FILE_TMPDIR or by mktemp), waits until it listens, and sets
#	EMU_URL		https://127.0.0.1:PORT: authority and Graph in one
#	EMU_HOST	127.0.0.1:PORT, and EMU_PORT
#	EMU_TENANT EMU_CLIENT_ID
#	EMU_SECRET_FILE	the client secret, mode 0600
#	EMU_CA		the CA to trust
#	EMU_IDENTITY	127.0.0.1:PORT, the managed identity endpoint, and EMU_ARC_KEYS
#	EMU_PROXY	http://127.0.0.1:PORT, a proxy that leads to it and nowhere else
#	EMU_PID
#	EMU_CONF	a configuration file, nac.conf(5), with all of that; tokens are cached
#			in $EMU_DIR/tokens.  Copy it and add keys as you like.
# The emulator ends by itself when the shell that started it is gone.
# Two at once: EMU_DIR=... emulator_start; keep the values; again with another EMU_DIR.

emulator_command() {
	local here
	here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
	if [ -x "$here/../../share/emulator/intune-emulator" ]; then
		printf '%s\n' "$here/../../share/emulator/intune-emulator"
	else
		command -v intune-emulator
	fi
}

emulator_fact() {
	sed -n "s/^$1 = //p" "$EMU_DIR/ready"
}

emulator_start() {
	: "${EMU_DIR:=$(mktemp -d "${BATS_TEST_TMPDIR:-${BATS_FILE_TMPDIR:-${TMPDIR:-/tmp}}}/emu.XXXXXX")}"
	EMU_BIN=$(emulator_command) || return
	"$EMU_BIN" --dir "$EMU_DIR" --daemon --while $$ "$@" </dev/null || return
	EMU_URL=$(emulator_fact url)
	EMU_HOST=$(emulator_fact host)
	EMU_PORT=$(emulator_fact port)
	EMU_TENANT=$(emulator_fact tenant)
	EMU_CLIENT_ID=$(emulator_fact client_id)
	EMU_SECRET_FILE=$(emulator_fact client_secret_file)
	EMU_CA=$(emulator_fact ca_file)
	EMU_IDENTITY=$(emulator_fact identity_host)
	EMU_ARC_KEYS=$(emulator_fact arc_key_dir)
	EMU_PROXY=$(emulator_fact proxy)
	EMU_PID=$(emulator_fact pid)
	EMU_CONF=$EMU_DIR/nac.conf
	export EMU_BIN EMU_DIR EMU_URL EMU_HOST EMU_PORT EMU_TENANT EMU_CLIENT_ID
	export EMU_SECRET_FILE EMU_CA EMU_PID EMU_CONF EMU_IDENTITY EMU_ARC_KEYS EMU_PROXY
}

emulator_control() {
	"$EMU_BIN" --dir "$EMU_DIR" --control "$*"
}

# Comes back when the process is gone; nothing to stop is no error.
emulator_stop() {
	[ -n "${EMU_DIR-}" ] && [ -e "$EMU_DIR/ready" ] || return 0
	emulator_control stop
}
