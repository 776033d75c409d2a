#!/usr/bin/env bash
# Builds the image of the Dockerfile without a daemon and without a registry, looks at what is in it,
# and runs it: so that the file is known to work where nothing can be pulled.
#
#   scripts/image.sh [--binary FILE | --profile NAME] [--output FOLDER]
#
# The two images that the Dockerfile begins with have stand-ins:
#
#   build stage   a folder with the program, compiled here from the Dockerfile's build context (what
#                 .dockerignore lets through), or FILE, which was compiled before
#   final stage   this Debian's C library, compiler runtime and certificate authorities
#
# All else is the Dockerfile's: buildah carries out its COPY, USER and ENTRYPOINT. What is not shown
# is that the two real images can be pulled and that the program runs with their C library.
#
# With --output the root file system is left in FOLDER. Needs root, Debian's buildah and bubblewrap
# (apt-get install buildah bubblewrap), and Rust unless there is --binary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
    printf 'image: %s\n' "$*" >&2
    exit 1
}

binary="" output="" profile=release
while [ $# -gt 0 ]; do
    case $1 in
        --binary) binary=${2:?--binary needs a file} && shift 2 ;;
        --profile) profile=${2:?--profile needs a name} && shift 2 ;;
        --output) output=${2:?--output needs a folder} && shift 2 ;;
        *) die "unknown argument $1" ;;
    esac
done
for tool in buildah bwrap ldd; do
    command -v "$tool" >/dev/null || die "$tool is needed: apt-get install buildah bubblewrap"
done

work=$(mktemp -d)
# Its files are deep in storage folders of root.
trap 'rm -rf "$work"' EXIT
b() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
stage() { printf '\n== %s\n' "$1"; }

name=image-update-operator
base=$(sed -n 's/^FROM \(gcr\.io[^ ]*\)$/\1/p' Dockerfile)
rust=$(sed -n 's/^FROM \(docker\.io[^ ]*\) AS build$/\1/p' Dockerfile)
[[ -n "$base" && -n "$rust" ]] || die "the Dockerfile does not begin its stages as this script knows them"

if [ -z "$binary" ]; then
    stage "compile, from what .dockerignore lets through"
    printf 'FROM scratch\nCOPY . /src\n' >"$work/Containerfile"
    b bud --quiet --tag context --ignorefile .dockerignore --file "$work/Containerfile" . >/dev/null
    container=$(b from --pull-never localhost/context)
    cp -a "$(b mount "$container")/src" "$work/src"
    b umount "$container" >/dev/null
    target=${CARGO_TARGET_DIR:-$PWD/target}
    (cd "$work/src" && CARGO_TARGET_DIR=$target cargo build --locked --profile "$profile" --bin "$name")
    binary=$target/${profile/#dev/debug}/$name
fi
[ -x "$binary" ] || die "$binary is not a program"

stage "assemble"
mkdir -p "$work/stage" "$work/base/etc/ssl/certs" "$work/base/tmp"
cp "$binary" "$work/stage/$name"
# Without symbols, as the release profile leaves it.
strip "$work/stage/$name" 2>/dev/null || true
cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' \
    >"$work/base/etc/passwd"
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$work/base$(dirname "$library")"
    cp -L "$library" "$work/base$library"
done
container=$(b from scratch)
b copy --quiet "$container" "$work/base" / >/dev/null
b commit --quiet "$container" "$base" >/dev/null
b bud --quiet --pull-never --file Dockerfile --tag "$name" \
    --build-context "build=$work/stage" \
    --build-context "$rust=container-image://$base" . >/dev/null
# A container's folder outlives the storage that it is copied from.
container=$(b from --pull-never "localhost/$name")
root=${output:-$work/root}
mkdir -p "$root"
cp -a "$(b mount "$container")/." "$root"
b umount "$container" >/dev/null

stage "what is in it"
b inspect --type image --format '{{.OCIv1.Architecture}} user={{.OCIv1.Config.User}} entrypoint={{.OCIv1.Config.Entrypoint}}{{"\n"}}' \
    "localhost/$name"
[ "$(b inspect --type image --format '{{.OCIv1.Config.User}}' "localhost/$name")" = 65532:65532 ] || die "it does not run as 65532"
(cd "$root" && find . -type f -printf '%10s %p\n' | sort -k2)
for shell in bin/sh bin/bash usr/bin/sh usr/bin/env; do
    [ ! -e "$root/$shell" ] || die "there is a $shell in the image"
done

# The runtime's, as every runtime makes it.
mkdir -p "$root/proc"
# run ARGUMENT…: the entry point in the image, as its user, with nothing writable and no rights.
run() {
    bwrap --ro-bind "$root" / --proc /proc --unshare-all --share-net --die-with-parent --new-session \
        --uid 65532 --gid 65532 --cap-drop ALL --clearenv "$@"
}

stage "run it as 65532, read-only"
run "/usr/local/bin/$name" version
run "/usr/local/bin/$name" crds | grep -c '^kind: CustomResourceDefinition$'
# It starts, and says that there is no cluster; 2 is its own exit code for that.
code=0
run "/usr/local/bin/$name" run --metrics-address=0 2>"$work/said" || code=$?
cat "$work/said"
[ "$code" = 2 ] || die "without a cluster it ends with $code"
grep -q 'no cluster to talk to' "$work/said" || die "it does not say that there is no cluster"
printf '\nimage: works\n'
