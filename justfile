# The commands of a developer's day. `just` alone lists them.

[private]
default:
    @just --list --unsorted

# Check and test everything, as before a change lands; or only some parts: `just test rust sdk`
test *parts:
    ./test {{ parts }}

# Format the Rust code
fmt:
    cargo fmt --all

# Find mistakes without running anything
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Run Rust tests, all or those whose name contains a word: `just rust expiry`
rust *filter:
    cargo nextest run --workspace --locked {{ filter }}

# Try the official SDKs against the server
sdk:
    ./test sdk

# Try authenticator and console in a real browser, and take their pictures for the documentation
browser:
    ./test browser
    for name in enrol-phone-light prompt-phone-light prompt-phone-dark waiting-phone-light waiting-phone-dark home-desktop-light \
        console-overview-desktop-light console-challenge-phone-dark; do \
        cp .cache/pictures/$name.png docs/pictures/; done

# Build the server as it is shipped
build:
    cargo build --locked --release --package countersign-server

# Run a server in target/dev-data, on 127.0.0.1:8080
serve *options:
    cargo run --locked --package countersign-server -- serve --data-dir target/dev-data {{ options }}

# Watch one challenge go from the question to the signed answer
demo *options:
    cargo run --locked --package countersign-server -- demo {{ options }}

# Read the documentation of the code in a browser
doc:
    cargo doc --workspace --no-deps --locked --open

# Throw away everything that was built or installed here
clean:
    cargo clean
    rm -rf .cache acceptance/node_modules
