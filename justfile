# What people do daily. CI runs ./scripts/test.sh, which has the same steps.

# Everything, then the window.
run *args:
    ./scripts/run.sh {{ args }}

# Every test; `just test --only headless`, `just test --list`.
test *args:
    ./scripts/test.sh {{ args }}

# Formatting, lints, the rooms' check, documentation.
check:
    ./scripts/check.sh

# The tests of one crate: just crate lifecycle
crate name *args:
    cargo test --locked --package {{ name }} {{ args }}

# One test, with what it needs: just one headless so_does_a_locked_one
one step part:
    ./scripts/test.sh --only '{{ step }}:{{ part }}'

# The pages in a browser with the real engine, built again when a source changes.
page:
    ./scripts/live-page.sh

# Compiles `body` into a running machine and restarts it.
body *args:
    ./scripts/update-body.sh {{ args }}

# Writes ui/src/wire from crates/wire.
wire:
    UPDATE_WIRE=1 cargo test --package wire --features ts --test typescript

# Every size of the app's icon, from icons/vivarium.svg.
icons:
    ./scripts/icons.sh

# Formats Rust.
fmt:
    cargo fmt --all

# The table of the README's numbers.
bench:
    ./scripts/bench.sh

# The image by `docker build` from a clone's files, and a cell in it.
clone-build *args:
    ./scripts/clone-build.sh {{ args }}

# An installable package in target/package: deb, or rpm, dmg, msi where they can be made.
package *kinds:
    ./scripts/package.sh {{ kinds }}

# Installs that package in a container and starts it by its desktop entry.
package-test:
    ./scripts/package-test.sh
