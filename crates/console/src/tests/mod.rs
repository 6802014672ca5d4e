//! The pages over a real database and the real use cases, looked at by a browser that keeps cookies.

mod doors;
mod pages;
mod scene;
mod works;
