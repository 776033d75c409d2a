#!/usr/bin/env bash
# Builds the servers that the tests run against, from the Go modules pinned in the folders beside
# this script, into the user's cache folder. A second run finds them there and does nothing.
#
#   build.sh [NAME…]   these folders only; all of them without a name
#
#   $XDG_CACHE_HOME/image-update-operator/stack/<name>-<version>-<hash>/<file>
#
# <hash> covers the pins (go.mod, go.sum), the linker flags (ldflags) and the build tags (tags), so a
# changed pin is another folder.
# `crates/testkit/src/stack.rs` looks for the same paths; change both together.
#
# Safe to run twice at once: every file is written beside its place and renamed into it, and where
# flock(1) exists the second run waits instead of building the same thing again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:?neither XDG_CACHE_HOME nor HOME is set}/.cache}/image-update-operator/stack

say() { printf '%-15s %-8s %s\n' "$1" "$2" "$3"; }

die() {
    printf 'stack: %s\n' "$*" >&2
    exit 1
}

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

# version_of COMPONENT MODULE: the version that COMPONENT's go.mod pins MODULE to.
version_of() {
    awk -v module="$2" '
        { sub(/^require /, ""); sub(/^[ \t]+/, "") }
        $1 == module && $2 ~ /^v/ { print $2; exit }
    ' "$here/$1/go.mod"
}

# folder_of COMPONENT VERSION: where its results live.
folder_of() {
    local files=("$here/$1/go.mod" "$here/$1/go.sum") hash optional
    for optional in ldflags tags; do
        [ ! -e "$here/$1/$optional" ] || files+=("$here/$1/$optional")
    done
    hash=$(cat "${files[@]}" | sha256 | cut -c1-12)
    printf '%s/%s-%s-%s' "$cache" "$1" "$2" "$hash"
}

# progress NAME: counts the packages `go build -v` names and passes every other line through.
progress() {
    awk -v name="$1" -v live="$([ -t 1 ] && echo 1 || echo 0)" '
        /^[A-Za-z0-9_.~\/-]+$/ {
            packages++
            if (live) printf "\r%-15s %d packages compiled", name, packages
            else if (packages % 250 == 0) printf "%-15s %d packages compiled\n", name, packages
            fflush()
            next
        }
        { print; fflush() }
        END { if (live && packages) printf "\r\033[K" }
    '
}

# build COMPONENT MODULE: compiles the one `tool` of COMPONENT's go.mod.
build() {
    local name=$1 version folder temporary flags tags="" started
    version=$(version_of "$name" "$2")
    [ -n "$version" ] || die "$name/go.mod does not pin $2"
    folder=$(folder_of "$name" "$version")
    if [ -x "$folder/$name" ]; then
        say "$name" "$version" "is there: $folder/$name"
        return
    fi
    say "$name" "$version" "building"
    started=$SECONDS
    mkdir -p "$folder"
    temporary=$folder/.$name.$$
    flags="-s -w"
    if [ -e "$here/$name/ldflags" ]; then
        flags="$flags $(sed "s/@VERSION@/$version/g" "$here/$name/ldflags")"
    fi
    [ ! -e "$here/$name/tags" ] || tags=$(cat "$here/$name/tags")
    (
        cd "$here/$name"
        CGO_ENABLED=0 GOWORK=off go build -v -tags "$tags" -trimpath -ldflags "$flags" -o "$temporary" tool 2>&1 |
            progress "$name"
    ) || die "could not build $name $version; the compiler's words are above"
    mv -f "$temporary" "$folder/$name"
    say "$name" "$version" "built in $((SECONDS - started)) s"
}

# copy_crds COMPONENT MODULE PATTERN KIND…: takes the CRDs out of a module's source, each from PATTERN
# with % for KIND; nothing is compiled.
copy_crds() {
    local name=$1 pattern=$3 version folder source crd started
    version=$(version_of "$name" "$2")
    [ -n "$version" ] || die "$name/go.mod does not pin $2"
    folder=$(folder_of "$name" "$version")
    if [ -e "$folder/complete" ]; then
        say "$name" "$version" "is there: $folder"
        return
    fi
    say "$name" "$version" "downloading"
    started=$SECONDS
    source=$(cd "$here/$name" && GOWORK=off go mod download -json "$2@$version" |
        sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p') || die "could not download $2 $version"
    mkdir -p "$folder/crds"
    for crd in "${@:4}"; do
        cp "$source/${pattern/\%/$crd}" "$folder/crds/.$crd.$$"
        chmod 644 "$folder/crds/.$crd.$$"
        mv -f "$folder/crds/.$crd.$$" "$folder/crds/$crd.yaml"
    done
    touch "$folder/complete"
    say "$name" "$version" "copied in $((SECONDS - started)) s"
}

if ! command -v go >/dev/null; then
    die "go is needed to build the servers (1.26 or later): https://go.dev/doc/install"
fi

mkdir -p "$cache"
if command -v flock >/dev/null; then
    exec 9>"$cache/lock"
    flock -n 9 || { echo "stack: waiting for another build to end"; flock 9; }
fi
trap 'rm -f "$cache"/*/.*."$$" "$cache"/*/crds/.*."$$"' EXIT

# wanted NAME: whether NAME was asked for; all are, if none was.
wanted() {
    local name
    [ "$asked" -gt 0 ] || return 0
    for name in "${names[@]}"; do
        [ "$name" != "$1" ] || return 0
    done
    return 1
}

# component BUILD NAME ARGUMENT…: has BUILD make NAME, if it is wanted.
component() {
    ! wanted "$2" || "$@"
}

# kubernetes NAME MODULE: takes NAME from KUBEBUILDER_ASSETS, or compiles it.
kubernetes() {
    if [ -z "${KUBEBUILDER_ASSETS:-}" ]; then
        build "$@"
        return
    fi
    [ -x "$KUBEBUILDER_ASSETS/$1" ] || die "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no $1"
    say "$1" "" "is there: $KUBEBUILDER_ASSETS/$1 (KUBEBUILDER_ASSETS)"
}

names=("$@") asked=$#
for name in "$@"; do
    [ -e "$here/$name/go.mod" ] || die "there is no $name beside this script"
done

component kubernetes etcd go.etcd.io/etcd/server/v3
component kubernetes kube-apiserver k8s.io/kubernetes
component build registry github.com/distribution/distribution/v3
component build helm helm.sh/helm/v4
component build kustomize sigs.k8s.io/kustomize/kustomize/v5
component build kubectl k8s.io/kubernetes
component build promtool github.com/prometheus/prometheus
component build actionlint github.com/rhysd/actionlint
component copy_crds argocd-crds github.com/argoproj/argo-cd/v3 'manifests/crds/%-crd.yaml' \
    application applicationset appproject
component copy_crds prometheus-operator-crds github.com/prometheus-operator/prometheus-operator \
    'example/prometheus-operator-crd/monitoring.coreos.com_%.yaml' prometheusrules servicemonitors
