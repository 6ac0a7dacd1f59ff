#!/bin/sh
# Installs coracle from this directory; the network is not needed.
#
#     ./install.sh                     for you, below ~/.local
#     sudo ./install.sh                for everybody, below /usr/local
#     ./install.sh --prefix DIRECTORY  somewhere else
#
# DESTDIR is put before all paths, for those who make packages. What is installed is listed in
# PREFIX/share/coracle/installed, and ./uninstall.sh, or PREFIX/share/coracle/uninstall.sh, removes exactly that.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
prefix=
while [ $# -gt 0 ]; do
    case $1 in
    --prefix) prefix=$2 && shift ;;
    --prefix=*) prefix=${1#*=} ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
    *) echo "install.sh: unknown option $1" >&2 && exit 2 ;;
    esac
    shift
done
user=$(id -u)
if [ -z "$prefix" ]; then
    [ "$user" = 0 ] && prefix=/usr/local || prefix=$HOME/.local
fi
root=${DESTDIR:-}
share=$prefix/share/coracle
list=$root$share/installed

if [ -f "$list" ]; then
    echo "install.sh: there is a coracle in $prefix already; it is replaced" >&2
    DESTDIR=$root sh "$here/uninstall.sh" --prefix "$prefix"
fi

# Makes a directory, and remembers those that were not there.
made=
directory() {
    case $1 in / | . | "") return 0 ;; esac
    [ ! -d "$root$1" ] || return 0
    directory "$(dirname "$1")"
    mkdir -m 0755 "$root$1"
    made="$1
$made"
}
installed=
put() { # MODE FILE TARGET
    directory "$(dirname "$3")"
    cp "$here/$2" "$root$3.new"
    chmod "$1" "$root$3.new"
    mv "$root$3.new" "$root$3"
    installed="$installed$3
"
}

put 0755 bin/coracle "$prefix/bin/coracle"
for page in "$here"/man/*; do
    name=$(basename "$page")
    put 0644 "man/$name" "$prefix/share/man/man${name##*.}/$name"
done
put 0644 completions/coracle.bash "$prefix/share/bash-completion/completions/coracle"
put 0644 completions/_coracle "$prefix/share/zsh/site-functions/_coracle"
put 0644 completions/coracle.fish "$prefix/share/fish/vendor_completions.d/coracle.fish"
for file in LICENSE README.md CHANGELOG.md SBOM.json uninstall.sh; do
    put 0644 "$file" "$share/$file"
done
case $prefix in
/usr | /usr/local)
    # systemd looks for generators and units of all users here.
    for unit in "$here"/systemd/user/*; do
        name=$(basename "$unit")
        [ "$name" = coracle-quadlet.service ] && continue
        put 0644 "systemd/user/$name" "$prefix/lib/systemd/user/$name"
        sed -i "s|/usr/bin/coracle|$prefix/bin/coracle|g" "$root$prefix/lib/systemd/user/$name"
    done
    directory "$prefix/lib/systemd/user-generators"
    ln -sf "$prefix/bin/coracle" "$root$prefix/lib/systemd/user-generators/coracle-user-generator"
    installed="$installed$prefix/lib/systemd/user-generators/coracle-user-generator
"
    # Ubuntu and others allow user namespaces to programs with a profile alone.
    if [ -d "$root/etc/apparmor.d" ] || [ -n "$root" ]; then
        put 0644 apparmor/coracle /etc/apparmor.d/coracle
        sed -i "s|/usr/bin/coracle|$prefix/bin/coracle|g" "$root/etc/apparmor.d/coracle"
    fi
    ;;
esac
directory "$share"
printf '%s' "$installed" >"$list"
printf '%s' "$made" >"$root$share/directories"

if [ -z "$root" ]; then
    case ":$PATH:" in
    *":$prefix/bin:"*) ;;
    *) echo "Add $prefix/bin to PATH." ;;
    esac
    if [ "$user" = 0 ] && [ -f /etc/apparmor.d/coracle ] && command -v apparmor_parser >/dev/null; then
        apparmor_parser -r /etc/apparmor.d/coracle || echo "install.sh: the AppArmor profile was not loaded" >&2
    fi
    echo "coracle is installed. \`coracle doctor\` checks this machine."
fi
