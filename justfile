# What people do daily. CI runs ./scripts/test.sh, which calls the same recipes' commands.

# Everything, then the machine.
run *args:
    ./scripts/run.sh {{ args }}

# Every test.
test *args:
    ./scripts/test.sh {{ args }}

# Formatting, lints, the rooms' check, generated types.
check:
    ./scripts/check.sh

# Formats Rust.
fmt:
    cargo fmt --all

# The table of the README's numbers.
bench:
    ./scripts/bench.sh
