//! The server as applications and devices see it: the wiring of the binary, HTTP and WebSockets on loopback, a real database,
//! and a clock that the test sets.
#![allow(missing_docs, unreachable_pub, reason = "a test is read, not called")]

mod accounts;
mod answers;
mod bodies;
mod bounds;
mod browsers;
mod challenge_groups;
mod clocks;
mod connections;
mod console;
mod contexts;
mod credentials;
mod crowds;
mod deletion;
mod deliveries;
mod device;
mod foreign;
mod full_disk;
mod fuzz;
mod hangups;
mod headers;
mod lenient;
mod lifecycle;
mod limits;
mod long_poll;
mod nodes;
mod order;
mod pages;
mod plays;
mod presence;
mod prompts;
mod proxies;
mod push_credentials;
mod pushes;
mod quotas;
mod reasons;
mod said;
mod service_protection;
mod sockets;
mod streams_h2;
mod support;
mod suspended;
mod tls;
mod totp;
mod webhooks;
