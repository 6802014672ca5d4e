//! What devices sign, held against a worked example: a known key, and signatures that were made with it elsewhere.
//! New tokens are signed here with the same key, so that each test changes one thing only.

mod answer;
mod example;
mod factor;
mod token;
