#!/bin/sh
# Removes what install.sh has installed, and nothing else: images, containers and volumes of users stay in
# ~/.local/share/coracle. `coracle rm`, `rmi` and `volume rm` remove those first.
#
#     ./uninstall.sh [--prefix DIRECTORY]
set -eu

prefix=
while [ $# -gt 0 ]; do
    case $1 in
    --prefix) prefix=$2 && shift ;;
    --prefix=*) prefix=${1#*=} ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
    *) echo "uninstall.sh: unknown option $1" >&2 && exit 2 ;;
    esac
    shift
done
if [ -z "$prefix" ]; then
    [ "$(id -u)" = 0 ] && prefix=/usr/local || prefix=$HOME/.local
fi
root=${DESTDIR:-}
share=$prefix/share/coracle
if [ ! -f "$root$share/installed" ]; then
    echo "uninstall.sh: there is no coracle in $prefix" >&2
    exit 1
fi
if [ -z "$root" ] && [ "$(id -u)" = 0 ] && [ -f /etc/apparmor.d/coracle ] && command -v apparmor_parser >/dev/null; then
    apparmor_parser -R /etc/apparmor.d/coracle 2>/dev/null || true
fi
while read -r path; do
    rm -f "$root$path"
done <"$root$share/installed"
directories=$(cat "$root$share/directories")
rm -f "$root$share/installed" "$root$share/directories"
# The innermost first. One that others use as well stays.
printf '%s\n' "$directories" | while read -r path; do
    [ -z "$path" ] || rmdir "$root$path" 2>/dev/null || true
done
