//! The operator console at `/console`: complete pages that are rendered by the server and work without scripts. They show the
//! signed-in account, through the use cases of `verify`; nothing of other accounts is visible.
//!
//! Texts of applications reach a page only through templates, which escape them. Static files lie under a path that contains
//! their version. `htmx` updates parts of pages in the background; every page works without it.

mod access;
mod attempts;
mod attention;
mod chart;
mod csv;
mod curl;
mod error;
mod fields;
mod files;
mod filter;
mod form;
mod frame;
mod kept_form;
mod kept_token;
mod labels;
mod links;
mod listeners;
mod pages;
mod paging;
mod qr;
mod rates;
mod results;
mod router;
mod session;
mod state;
#[cfg(test)]
mod tests;
mod told;
mod views;
mod waterfall;
mod way_back;

pub use router::router;
pub use state::{
    Console, CredentialTester, Dependencies, TestResult, WebhookTestResult, WebhookTester,
};
