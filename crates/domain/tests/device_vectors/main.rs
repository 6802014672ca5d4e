//! Tests device signatures with a worked example: a known key, and signatures that another program made with it. Tests sign new tokens
//! with the same key, and change one thing at a time.

mod answer;
mod example;
mod factor;
mod token;
