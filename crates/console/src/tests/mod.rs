//! The pages over a real database and the real use cases, with a browser that stores cookies.

mod actions;
mod integrations;
mod jobs;
mod operator_pages;
mod operators;
mod overview;
mod page;
mod pages;
mod returning;
mod roles;
mod scene;
mod sign_in;
mod timeline;
