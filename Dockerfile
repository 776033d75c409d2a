# The operator's image: the program, the system's certificate authorities, and nothing else.
#
#   docker build --tag registry.example.com/image-update-operator .
#
# For amd64 and arm64 alike: nothing here names an architecture, and cryptography is ring's, which has
# both. Each is built on itself (`docker buildx build --platform linux/amd64,linux/arm64` runs
# the other one emulated, which takes long). The release does so, on a runner of each, and joins both
# under one tag. `make image` builds and runs this file where there is no Docker and no registry.

# The compiler is that of rust-toolchain.toml, which a test compares.
FROM docker.io/library/rust:1.95.0-slim-trixie AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin image-update-operator \
    && cp target/release/image-update-operator /image-update-operator

# The C library and certificate authorities of the same Debian; no shell, and the user 65532.
FROM gcr.io/distroless/cc-debian13:nonroot
COPY --from=build /image-update-operator /usr/local/bin/image-update-operator
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/image-update-operator"]
