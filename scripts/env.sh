# Chooses the Rust toolchain for the other scripts, which source this file with $root set.
# rustup follows rust-toolchain.toml and downloads what is missing. Where the pinned toolchain is
# not complete but another installed one is new enough, that one is used instead, so that the
# scripts work without a network. Only looks at files: running rustup's cargo could download.

pagewalk_choose_toolchain() {
    [ -z "${RUSTUP_TOOLCHAIN:-}" ] || return 0
    command -v rustup >/dev/null 2>&1 || return 0

    _home=${RUSTUP_HOME:-$HOME/.rustup}
    _pinned=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' "$root/rust-toolchain.toml")
    for _dir in "$_home/toolchains/$_pinned-"*; do
        if pagewalk_is_complete "$_dir"; then return 0; fi
    done

    _default=$(sed -n 's/^default_toolchain *= *"\(.*\)"/\1/p' "$_home/settings.toml" 2>/dev/null || :)
    for _dir in "$_home/toolchains/${_default:-none}" "$_home/toolchains/stable-"* \
        "$_home/toolchains/"*; do
        if pagewalk_is_new_enough "$_dir/bin/rustc"; then
            RUSTUP_TOOLCHAIN=${_dir##*/}
            export RUSTUP_TOOLCHAIN
            echo "using the installed toolchain $RUSTUP_TOOLCHAIN instead of $_pinned" >&2
            return 0
        fi
    done
}

# Whether rustup would find everything that rust-toolchain.toml asks for in this directory.
pagewalk_is_complete() {
    [ -x "$1/bin/cargo-clippy" ] && [ -x "$1/bin/cargo-fmt" ] || return 1
    for _core in "$1"/lib/rustlib/riscv64gc-unknown-none-elf/lib/libcore-*.rlib; do
        if [ -e "$_core" ]; then return 0; fi
    done
    return 1
}

# Whether this rustc is there and satisfies the workspace's rust-version.
pagewalk_is_new_enough() {
    _wanted=$(sed -n 's/^rust-version *= *"1\.\([0-9]*\).*"/\1/p' "$root/Cargo.toml")
    _found=$("$1" --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
    [ -n "$_found" ] && [ "$_found" -ge "$_wanted" ]
}

pagewalk_choose_toolchain
