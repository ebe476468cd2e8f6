# Loaded by every bats file.
bats_require_minimum_version 1.5.0
: "${NAC_ROOT:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}"
export NAC_ROOT LC_ALL=C.UTF-8

# What a failed test prints about the last `run`.
# shellcheck disable=SC2154 # bats sets them
show() {
	printf 'status %s\n--- stdout\n%s\n--- stderr\n%s\n' "$status" "$output" "${stderr-}"
}

# assert_eq GOT WANT
assert_eq() {
	[ "$1" = "$2" ] && return 0
	printf 'got:  %s\nwant: %s\n' "$1" "$2"
	return 1
}

# assert_has TEXT PART
assert_has() {
	[[ $1 == *"$2"* ]] && return 0
	printf 'text: %s\nlacks: %s\n' "$1" "$2"
	return 1
}

# refute_has TEXT PART
refute_has() {
	[[ $1 != *"$2"* ]] && return 0
	printf 'text: %s\nhas: %s\n' "$1" "$2"
	return 1
}

# assert_one_line TEXT: exactly one line, for error messages
assert_one_line() {
	[ -n "$1" ] && [ "$(printf '%s\n' "$1" | wc -l)" -eq 1 ] && return 0
	printf 'not one line:\n%s\n' "$1"
	return 1
}

json_get() { jq -r "$2" <<<"$1"; }
