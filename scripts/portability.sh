#!/usr/bin/env bash
# Runs scripts/demo.sh and scripts/test.sh on a distribution that has its base system and nothing else: makes one in a
# temporary folder, with a clone of HEAD in it, and removes it afterwards. Nothing of this machine's environment gets in.
# Usage: scripts/portability.sh [trixie|bookworm|noble|sid]    Exits with 77, and says why, where this cannot be done.
# XGRAD_PORTABILITY_MIRROR is where packages come from, XGRAD_PORTABILITY_CACHE a folder that keeps them, and object
# files, for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."

release=${1:-trixie} components=main mirror=http://deb.debian.org/debian recipe=trixie
case $release in
  trixie) name="Debian 13" ;;
  bookworm) name="Debian 12" ;;
  sid) name="Debian unstable" recipe=sid ;;
  noble) name="Ubuntu 24.04" components=main,universe mirror=http://archive.ubuntu.com/ubuntu recipe=gutsy ;;
  *) sed -n '/^# Usage/s/^# //p' "$0" >&2; exit 2 ;;
esac
mirror=${XGRAD_PORTABILITY_MIRROR:-$mirror}
cache=${XGRAD_PORTABILITY_CACHE:+$(realpath -m "$XGRAD_PORTABILITY_CACHE")}
say() { echo "portability: $name: $*"; }
skip() { say "skipped: $*"; exit 77; }

[[ $EUID -eq 0 ]] || skip "this needs root"
command -v debootstrap >/dev/null || skip "debootstrap is missing (apt-get install debootstrap)"
unshare --mount --pid --fork true 2>/dev/null || skip "this machine allows no mounts"
[[ $release != noble || -e /usr/share/keyrings/ubuntu-archive-keyring.gpg ]] ||
  say "without Ubuntu's keyring its base system is taken unchecked"
[[ -z $(git status --porcelain) ]] || say "what is not committed is left out"

# Its processes and mounts live in namespaces that end with it, however it ends; so the folder has no mount in it here.
root=$(mktemp -d) child=
finish() {
  [[ -z $child ]] || kill -KILL "$child" 2>/dev/null || true
  wait
  rm -rf --one-file-system "$root" 2>/dev/null || { sleep 2; rm -rf --one-file-system "$root"; }
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

inside() {
  echo "== $name: the base system"
  debootstrap --variant=minbase --include=ca-certificates --components="$components" ${cache:+--cache-dir="$cache/packages"} \
    "$release" "$root" "$mirror" "/usr/share/debootstrap/scripts/$recipe" >"$root/log" 2>&1 ||
    { tail -n 5 "$root/log"; return 77; }
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  apt-config dump | grep -E '^Acquire::(https?::|Check-)' >"$root/etc/apt/apt.conf.d/90host" || true
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  if [[ -n $cache ]]; then
    mkdir -p "$root/root/.cache/ccache"
    mount --bind "$cache/packages" "$root/var/cache/apt/archives"
    mount --bind "$cache/objects" "$root/root/.cache/ccache"
  fi
  git clone --quiet --no-hardlinks . "$root/xgrad"
  run() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C ${http_proxy:+"http_proxy=$http_proxy"} \
      ${https_proxy:+"https_proxy=$https_proxy"} chroot "$root" env --chdir=/xgrad "$@" </dev/null
  }
  for step in "scripts/demo.sh --seconds 5" scripts/test.sh; do
    echo "== $name: $step"
    run $step || { echo "portability: $name: failed: $step"; return 1; }
  done
  run dpkg-query -W -f '${Package} ${Version}\n' g++ cmake catch2 libfmt-dev libxtensor-dev libxtensor-blas-dev \
    libxsimd-dev libopenblas-pthread-dev nlohmann-json3-dev
  echo "portability: $name: passed with these versions"
}

[[ -z $cache ]] || mkdir -p "$cache/packages" "$cache/objects"
unshare --mount --pid --fork --kill-child bash -euo pipefail -c \
  "$(declare -p release name components mirror recipe cache root); $(declare -f inside); inside" &
child=$!
status=0
wait "$child" || status=$?
child=
[[ $status -ne 77 ]] || skip "the base system could not be fetched from $mirror"
exit "$status"
