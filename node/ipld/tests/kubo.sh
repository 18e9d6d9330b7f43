#!/usr/bin/env bash
# Writes tests/kubo.tsv: what a Kubo daemon's `ipfs add` calls files and folders of known content.
#
#   node/ipld/tests/kubo.sh path/to/ipfs > node/ipld/tests/kubo.tsv
#
# Content byte i of a file of seed s is (i * 31 + (i >> 8) * 17 + s) mod 251, so every language can make it.
set -euo pipefail
ipfs=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export IPFS_PATH="$dir/repo"
"$ipfs" init --profile=test >/dev/null

file() { # size seed path
  python3 -c 'import sys
n, s = int(sys.argv[1]), int(sys.argv[2])
with open(sys.argv[3], "wb") as f:
    for at in range(0, n, 1 << 20):
        f.write(bytes((i * 31 + (i >> 8) * 17 + s) % 251 for i in range(at, min(n, at + (1 << 20)))))' "$1" "$2" "$3"
}
add() { "$ipfs" add -Q --only-hash --cid-version=1 "$@"; }

echo "# $("$ipfs" version); written by kubo.sh. file: size, chunk, leaves, CID; folder: name, CID."
# Around the default chunk, and around one and two full nodes of 174 links.
for size in 0 1 1000 262143 262144 262145 524288 524289 1048576 45613055 45613056 45613057 45875200 45875201; do
  file "$size" 0 "$dir/f"
  for raw in true false; do printf 'file\t%s\t262144\t%s\t%s\n' "$size" "$raw" "$(add --raw-leaves=$raw "$dir/f")"; done
done
# The same boundaries, and the next level at 174 * 174 links, with small chunks.
for chunk in 16 100; do
  for leaves in 1 2 173 174 175 347 348 349 30275 30276 30277 30450 30451; do
    for more in 0 1; do
      size=$((leaves * chunk + more))
      file "$size" 0 "$dir/f"
      for raw in true false; do
        [ $raw = false ] && [ "$leaves" -gt 400 ] && continue
        printf 'file\t%s\t%s\t%s\t%s\n' "$size" "$chunk" "$raw" "$(add --raw-leaves=$raw --chunker=size-$chunk "$dir/f")"
      done
    done
  done
done
# Folders; the tests make the same ones by these names.
folder() { printf 'folder\t%s\t%s\n' "$1" "$(add -r "$dir/$1")"; }
mkdir -p "$dir/empty" && folder empty
mkdir -p "$dir/flat" && file 10 1 "$dir/flat/b" && file 0 2 "$dir/flat/a" && file 300000 3 "$dir/flat/B" && file 5 4 "$dir/flat/a.b" && file 5 5 "$dir/flat/.hidden" && folder flat
mkdir -p "$dir/nested/x/y/z" "$dir/nested/empty" && file 10 1 "$dir/nested/x/y/z/deep" && file 20 2 "$dir/nested/x/one" && folder nested
mkdir -p "$dir/names" && for n in 'ä' 'zebra' '日本' '🙂' 'a b' "quote'\"" 'Z' '0' '00' 'é'; do file 7 7 "$dir/names/$n"; done && folder names
mkdir -p "$dir/links" && file 7 7 "$dir/links/file" && ln -s file "$dir/links/symlink" && ln -s ../nowhere "$dir/links/broken" && folder links
# Listings of 262,080 and 262,144 bytes: the last that fits one node, the first that is sharded. Then one of two levels.
python3 - "$dir" <<'PY'
import os, sys
for name, n, width in (("listing", 4095, 28), ("sharded", 4096, 28), ("deep", 9000, 12)):
    os.mkdir(f"{sys.argv[1]}/{name}")
    for i in range(n):
        open(f"{sys.argv[1]}/{name}/{i:0{width}d}", "w").close()
PY
for n in listing sharded deep; do folder $n; done
