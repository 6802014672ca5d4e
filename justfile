# The commands for development. `just` alone lists them.

[private]
default:
    @just --list --unsorted

# Check and test everything, or some parts: `just test rust sdk`
test *parts:
    ./test {{ parts }}

# Format the Rust code
fmt:
    cargo fmt --all

# Run clippy
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Run Rust tests, all or those with a word in their name: `just rust expiry`
rust *filter:
    cargo nextest run --workspace --locked {{ filter }}

# Test the server with the official SDKs
sdk:
    ./test sdk

# Test authenticator and console in a browser, and update the pictures of the documentation
browser:
    PICTURES=1 ./test browser
    for name in enrol-phone-light prompt-phone-light prompt-phone-dark number-phone-light pick-phone-dark waiting-phone-light \
        waiting-phone-dark home-desktop-light \
        console-timeline-desktop-light console-challenge-phone-dark; do \
        cp .cache/pictures/$name.png docs/pictures/; done
    cp .cache/pictures/overview-rates-broad-light.png docs/pictures/console-overview-desktop-light.png

# Check licences, sources, bans and known vulnerabilities of all dependencies, with cargo-deny
deny:
    cargo deny check

# Fuzz a parser until it is stopped, with cargo-fuzz and a nightly compiler: `just fuzz form -- -max_total_time=60`
fuzz target *options:
    cp Cargo.lock fuzz/
    mkdir -p fuzz/corpus/{{ target }}
    cargo +nightly fuzz run {{ target }} fuzz/corpus/{{ target }} fuzz/seeds/{{ target }} {{ options }}

# Build the release binary
build:
    cargo build --locked --release --package countersign-server

# Run a server in target/dev-data, on 127.0.0.1:8080
serve *options:
    cargo run --locked --package countersign-server -- serve --data-dir target/dev-data {{ options }}

# Show one challenge, from its creation to the signed answer
demo *options:
    cargo run --locked --package countersign-server -- demo {{ options }}

# Read the documentation of the code in a browser
doc:
    cargo doc --workspace --no-deps --locked --open

# Delete everything that was built or installed here
clean:
    cargo clean
    rm -rf .cache acceptance/node_modules
