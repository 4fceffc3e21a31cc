# shellcheck shell=bash
# What a person has who clones the project: its files, and no builds.

# The tag of the stage in which `docker build` compiles the machine's binaries.
clone_builder=vivarium-test-builder

# clone_into FOLDER: the files that git knows or would take, and the certificates of a network that
# inspects TLS.
clone_into() {
  git ls-files -z --cached --others --exclude-standard --deduplicate |
    tar --null --ignore-failed-read --files-from=- -cf - 2>/dev/null | tar -xf - -C "$1"
  cp body/build-ca/*.crt "$1/body/build-ca/" 2>/dev/null || true
}

# compile_clone FOLDER [ARGUMENT OF docker build…]: compiles the machine's binaries in a stage of the
# image. It has a tag of its own, so that the layer of other people's crates is there the next time.
compile_clone() {
  local folder=$1
  shift
  docker build -t "$clone_builder" --target builder -f "$folder/body/Dockerfile" "$@" "$folder"
}
