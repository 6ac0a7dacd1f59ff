# Sourced by the scripts that build: finds cargo, and says what to do when there is none.

# The oldest toolchain that builds us, from Cargo.toml.
rust_wanted() { sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml; }

# True when `cargo` is there and new enough. A toolchain from rustup is found where rustup puts it.
rust_is_here() {
    case ":$PATH:" in *":${CARGO_HOME:-$HOME/.cargo}/bin:"*) ;; *) PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin" ;; esac
    rust_found=$(cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9]*\.[0-9]*\).*/\1/p')
    [ -n "$rust_found" ] || return 1
    [ "$(printf '%s\n%s\n' "$(rust_wanted)" "$rust_found" | sort -t. -k1,1n -k2,2n | head -n 1)" = "$(rust_wanted)" ]
}

require_rust() {
    rust_is_here && return 0
    echo "needs cargo $(rust_wanted) or newer (found: ${rust_found:-none}): see https://rustup.rs, or run \`sh contrib/quickstart\`" >&2
    exit 1
}
