#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command of this repository inside a fresh, minimal Debian 12 of its own, to show that the
# scripts install all they need. The last commit is what runs there, not the work tree.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: tools/dev/minimal-debian.sh [--cuda DIR] [--keep] COMMAND [ARGUMENTS...]

Makes a minimal Debian 12 with mmdebstrap, from the mirror that this machine's apt is set up with,
clones the last commit of this repository into it, and runs COMMAND in the clone. Needs root.
  --cuda DIR   shows the CUDA toolkit of DIR read-only as /usr/local/cuda inside
  --keep       leaves the tree behind and prints where
for example:
  tools/dev/minimal-debian.sh tests/run.sh
  tools/dev/minimal-debian.sh --cuda /usr/local/cuda tools/quickstart.sh
EOF
}

die() {
  echo "minimal-debian.sh: $*" >&2
  exit 1
}

cuda=""
keep=no
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --cuda)
      [ $# -ge 2 ] || { usage >&2; exit 2; }
      cuda=$(realpath "$2")
      shift 2
      ;;
    --keep) keep=yes; shift ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { usage >&2; exit 2; }
[ "$(id -u)" = 0 ] || die "needs root: it makes a root file system and mounts into it"
for tool in mmdebstrap unshare git; do
  command -v "$tool" >/dev/null || die "$tool is missing: apt-get install mmdebstrap util-linux git"
done
if [ -n "$cuda" ] && [ ! -x "$cuda/bin/nvcc" ]; then
  die "there is no bin/nvcc in $cuda"
fi

# The release and mirror that apt knows here, Debian's own packages only.
sources() {
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | grep -E ' bookworm(-updates|-security)? ' | sort -u
}
mirrors=$(sources || true)
[ -n "$mirrors" ] || die "apt knows no Debian 12 mirror here; run apt-get update first"

repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
root=$(mktemp -d "${TMPDIR:-/tmp}/minimal-debian.XXXXXX")
clean_up() {
  if [ "$keep" = yes ]; then
    echo "Kept: $root"
  else
    rm -rf --one-file-system "$root"
  fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "Making a minimal Debian 12"
echo "$mirrors" | mmdebstrap --quiet --mode=root --variant=minbase bookworm "$root" -
# The network as this machine sees it, proxies included.
cp --remove-destination --dereference /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump | grep -i '^Acquire::[a-z]*::Proxy' >"$root/etc/apt/apt.conf.d/90proxy" || true

mkdir -p "$root/src"
git clone --quiet --no-hardlinks "file://$repository" "$root/src/farlane"
git -C "$root/src/farlane" log -1 --format='Running commit %h (%s)'

# Mounts and processes of the root end with this command: they are in namespaces of their own.
export root cuda
unshare --mount --pid --fork --kill-child bash -euc '
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o mode=755 dev "$root/dev"
  for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/shm" "$root/dev/pts"
  mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s /proc/self/fd/0 "$root/dev/stdin"
  ln -s /proc/self/fd/1 "$root/dev/stdout"
  ln -s /proc/self/fd/2 "$root/dev/stderr"
  if [ -n "$cuda" ]; then
    mkdir -p "$root/usr/local/cuda"
    mount --bind "$cuda" "$root/usr/local/cuda"
    mount -o remount,bind,ro "$root/usr/local/cuda"
  fi
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LANG=C.UTF-8 TERM="${TERM:-dumb}" CI="${CI:-}" \
    chroot "$root" bash -c "cd /src/farlane && exec \"\$@\"" bash "$@"
' bash "$@"
