#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# A damaged data.mdb: every command ends, says so in one line, and harms nothing more.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	printf 'state_dir = %s/state\n' "$PWD" >conf
	chmod 600 conf
	export INTUNE_NAC_CONF=$PWD/conf ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0
	mkdir state
}

# devices FROM TO TIME: answers, as intune-query prints them
devices() {
	jq -cn --argjson from "$1" --argjson to "$2" --arg t "$3" 'range($from; $to) | {compliance:{state:"compliant",
		matched_by:"guid",id_space:"intune",source:"graph",checked:$t,
		device:{id:("5f1e0c1a-7a52-4f0e-9d43-" + ("000000000000\(.)"[-12:])),name:("LAPTOP-\(. % 40)"),
		wifi_mac:("00:1b:2c:3d:4e:" + ("0\(. % 90 + 10)"[-2:])),os:"Windows",last_sync:$t}}}'
}

logins() {
	jq -cn --argjson n "$1" --arg t "$(date -u +%Y-%m-%dT%H:%M:%SZ)" 'range(10; $n + 10) | {journal:1,identity:{name:[{value:"LAPTOP-\(.)",found:"cn"}]},
		session:{seen:$t,user:"host/\(.)",calling:"00-1B-2C-3D-4E-\(.)",nas_ip:"192.0.2.1"},
		compliance:{state:"pending"},decision:{action:"allow",vlan:"9",state:"pending"}}' >>state/journal.ndjson
}

# A store of some twenty pages, free ones among them.
store() {
	devices 0 100 2026-11-20T10:00:00Z | nac-cache put -q
	logins 30
	nac-cache due >due.good
	devices 0 40 2026-11-20T11:00:00Z | nac-cache put -q
	cp state/data.mdb good
	pages=$(($(stat -c %s good) / 4096))
}

page() { dd if=good bs=4096 skip="$1" count=1 status=none; }

# bytes HEX
# shellcheck disable=SC2059,SC2001 # the digits are a format then
bytes() { printf "$(sed 's/../\\x&/g' <<<"$1")"; }

# put_page N <PAGE: the good store with that page
put_page() {
	cp good state/data.mdb
	dd of=state/data.mdb bs=4096 seek="$1" conv=notrunc status=none
}

# every WHAT: each command on the store as it is; bad is what went wrong, told the
# commands that said that it is damaged
every() {
	local cmd status lines
	told=0
	for cmd in check get list 'list --clients' stats export due put backup; do
		cp state/data.mdb now
		status=0
		case $cmd in
		get)	nac-cache get LAPTOP-7 LAPTOP-39 nobody ;;
		due)	nac-cache due --older-than 0s ;;
		put)	devices 100 104 2026-11-20T12:00:00Z | nac-cache put -q ;;
		backup)	rm -rf copy; nac-cache backup copy ;;
		"list --clients") nac-cache list --clients ;;
		*)	nac-cache "$cmd" ;;
		esac >out 2>err || status=$?
		lines=$(wc -l <err)
		case $status in
		0|1)	: ;;
		74)	told=$((told + 1))
			[ "$lines" -ge 1 ] && grep -q 'damage' err || bad+="$1: $cmd: 74: $(head -c 300 err)"$'\n' ;;
		78)	[ "$lines" -eq 1 ] && grep -q 'no LMDB file\|no store of intune-nac\|LMDB version' err ||
			bad+="$1: $cmd: 78: $(head -c 300 err)"$'\n' ;;
		*)	bad+="$1: $cmd: $status: $(head -c 300 err)"$'\n' ;;
		esac
		# What is told to be whole can be read.
		[ "$cmd$status" != backup0 ] || nac-cache -d copy check >/dev/null 2>&1 || [ $? -eq 1 ] ||
			bad+="$1: the backup cannot be read"$'\n'
		[ $status -ne 74 ] || cmp -s now state/data.mdb || bad+="$1: $cmd: was written to"$'\n'
		cp now state/data.mdb
	done
}

# A command that hangs is one that was killed.
nac-cache() { timeout -s KILL 60 "$(type -P nac-cache)" "$@"; }

@test "each page in turn is zeros, noise or another page: no crash, no loop, and check knows" {
	local n bad='' told known=0
	store
	every whole
	assert_eq "$bad$told" 0
	RANDOM=6
	for ((n = 0; n < pages; n++)); do
		# The next page has another number: only who looks at that knows.
		page $(((n + 1) % pages)) | put_page $n
		every "page $n is the next"
		known=$((known + (told > 0)))
		# The same noise each time: a failure can be looked at again.
		if ((n % 2)); then head -c 4096 /dev/zero; else head -c $((n * 4096 + 4096)) "$(type -P nac-cache)" | tail -c 4096; fi | put_page $n
		every "page $n of zeros or noise"
	done
	[ -z "$bad" ] || { echo "$bad"; false; }
	# Only the pages that are free, and the older of two heads, may be anything.
	[ "$known" -gt $((pages / 3)) ]
}

@test "keys without a length or longer than any, and pages that lead to themselves" {
	local n off size bad='' told
	store
	for ((n = 2; n < pages; n++)); do
		# The second offset leads to a node: its value's size or page, and its key's size.
		off=$(page $n | od -An -tu2 -j 18 -N 2)
		[ -n "$off" ] && [ "$off" -gt 16 ] && [ "$off" -lt 4088 ] || continue
		for size in 0000 0003; do
			page $n >one
			bytes "$size" | dd of=one bs=1 seek=$((off + 6)) conv=notrunc status=none
			put_page $n <one
			every "page $n, key size $size"
		done
		page $n >one
		bytes "$(printf %02x $n)000000" | dd of=one bs=1 seek=$((off)) conv=notrunc status=none
		put_page $n <one
		every "page $n leads to itself"
	done
	[ -z "$bad" ] || { echo "$bad"; false; }
}

@test "a damaged store: check says where, and a backup that is put back works" {
	local n
	store
	nac-cache export >before
	nac-cache backup copy
	for ((n = pages - 1; n > 1; n--)); do
		head -c 4096 /dev/zero | put_page $n
		nac-cache check >/dev/null 2>&1 || break
	done
	run -74 --separate-stderr nac-cache check
	assert_has "$stderr" "the store is damaged: page $n of data.mdb "
	assert_has "$stderr" "restore a backup"
	assert_one_line "$stderr"
	for cmd in list export stats due put prune import; do
		run -74 --separate-stderr nac-cache $cmd </dev/null
		assert_has "$stderr" "the store is damaged: page $n of data.mdb "
		assert_one_line "$stderr"
	done
	cp copy/data.mdb state/data.mdb
	nac-cache export >after
	cmp before after
	run -0 nac-cache check
}

@test "the file turns bad while it is in use: one line and 74" {
	store
	mkfifo hold
	devices 0 120 2026-11-20T13:00:00Z >later
	nac-cache put <hold >out 2>err 3>&- & pid=$!
	exec 8>hold
	head -n 1 later >&8
	for ((n = 0; n < 100; n++)); do [ ! -s out ] || break; sleep 0.1; done
	# Cut: what is behind the end of a file cannot be read.
	truncate -s 8192 state/data.mdb
	cat later >&8 || :
	exec 8>&-
	status=0
	wait $pid || status=$?
	assert_eq "$status" 74
	assert_has "$(cat err)" "the store is damaged: restore a backup"
	assert_one_line "$(cat err)"
}
