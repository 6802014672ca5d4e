//! The built binary as operators use it: arguments, environment, files, signals, exit codes and output.
#![allow(missing_docs, unreachable_pub, reason = "a test is read, not called")]

mod absent;
mod admin;
mod attention;
mod audit;
mod backup;
mod clocks;
mod commands;
mod connections;
mod crowds;
mod doctor;
mod environment;
#[path = "../common/faketime.rs"]
mod faketime;
mod files;
mod full_disk;
mod integrations;
mod keys;
mod listings;
mod logs;
mod metrics;
mod moving;
mod operator;
mod operators;
mod pages;
mod postgres;
mod proofs;
mod proxies;
mod push_test;
mod readiness;
mod refusals;
mod reload;
mod security;
mod security_readers;
mod sign_in_page;
mod stand_ins;
mod start;
mod stop;
mod support;
mod test_mode;
mod tools;
mod traces;
mod virtual_phone;
mod webhooks;
